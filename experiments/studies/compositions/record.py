"""What a comparison of compositions has come to: who takes part, and every result, with what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from adapter_workbench.experiments.studies.core.against import controls
from adapter_workbench.experiments.studies.core.record import Record
from adapter_workbench.experiments.workspace.outcome_folders import OutcomeFolders
from adapter_workbench.experiments.workspace.piece_results import PieceResults
from adapter_workbench.workbench.adapters.fit_record import FitRecord

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace


@dataclass(frozen=True)
class Retained:
    """What a composition still knows of one source's own task: test scores under that source's own head.

    Attributes:
        alone: of the source as it is.
        fused: of the composed body.
    """

    source: str
    task: str
    alone: float
    fused: float
    examples: int


@dataclass(frozen=True)
class Result:
    """How one entry did on one problem.

    Attributes:
        score: the task's main metric on the test split, in [0, 1].
        scores: all of them.
        examples: size of the test split.
        fit: what it took, and the validation score.
        head: where the head comes from.
        weights, facts, details: as in :class:`adapter_workbench.fusion.target.composition.Composed`.
        retained: one entry for each source whose task is at hand; empty where that was not measured.
        sources: the task of each source that it is made of, in order; empty in results of earlier versions.
    """

    score: float
    scores: Mapping[str, float]
    examples: int
    fit: FitRecord
    head: str
    weights: tuple[float, ...] | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    retained: tuple[Retained, ...] = ()
    sources: tuple[str, ...] = ()


def results_in(workspace: Workspace) -> OutcomeFolders[Result]:
    """Return the results of the trials in a workspace."""
    about = "the result of this trial"
    root = workspace.root / "trials"
    return OutcomeFolders(root, "result.json", Result, about, workspace.access, workspace.known)


CONTROLS = ("fresh", "full", "control", "frozen")  # roles of what lacks the sources; between equals, the first
ALL_SHOTS = "all"  # beside each K, what is over all of them that have examples
PICK, SOURCE, CONTROL = "best composition", "best source", "best control"
MIXED = "best mixed-data adapter"
PICKS: Mapping[str, tuple[str, ...]] = {  # what validation picks among: label → roles
    PICK: ("average", "composition"),
    SOURCE: ("source",),
    CONTROL: CONTROLS,
    MIXED: ("mixed",),
}


@dataclass(frozen=True)
class EntryRecord:
    """Who takes part: a :class:`~adapter_workbench.experiments.studies.compositions.entry.Entry` without its sources.

    Attributes:
        head: what its head begins as, where it is trained along; else None.
        against: the label of what it is compared with; the reference where it is empty.
    """

    label: str
    role: str
    family: str
    method: str
    settings: Mapping[str, Any]
    head: str | None = None
    against: str = ""


@dataclass(frozen=True)
class Cell:
    """One result: whose, on which problem, and where it is stored."""

    label: str
    target: str
    shots: int
    seed: int
    key: str


@dataclass(frozen=True)
class SourcesResult:
    """What was known of the sources of one seed and family before they were composed.

    Attributes:
        sources: for each its adapter id, task, method, seed and validation score; ``elsewhere`` is the program that
            trained it, where that was another one.
        diagnostics: see :func:`diagnose`; None where there is nothing to compare.
    """

    sources: tuple[Mapping[str, Any], ...]
    diagnostics: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class TrialResult:
    """Where the result of a trial is stored."""

    trial: str

    def is_there(self, workspace: Workspace) -> bool:
        """Return whether the result is in the workspace."""
        return results_in(workspace).get(self.trial) is not None


SOURCES, TRIALS = PieceResults("pieces", SourcesResult), PieceResults("pieces", TrialResult, TrialResult.is_there)


@dataclass(frozen=True, kw_only=True)
class FusionRecord(Record):
    """A comparison of compositions as far as it has come.

    Attributes:
        budgets: K → the budget of every fit and test.
        majority: target → test score of always answering the most frequent label.
        needs_examples: labels of entries that do not take part where there is no example of a target (K = 0).
        sources: for each source its adapter id, task, method, seed and validation score.
        diagnostics: (seed, family) as ``seed/family`` → what was known of the sources before they were composed.
    """

    kind = "a comparison of compositions"
    result_fields = ("sources", "cells", "diagnostics")

    targets: tuple[str, ...]
    shots: tuple[int, ...]
    budgets: Mapping[str, Mapping[str, Any]]
    majority: Mapping[str, float]
    entries: Annotated[tuple[EntryRecord, ...], Field(alias="parties")]  # in record.json
    needs_examples: tuple[str, ...] = ()
    sources: tuple[Mapping[str, Any], ...] = ()
    cells: tuple[Cell, ...] = ()
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def controls(self) -> dict[str, str]:
        """Label → what it is compared with, which may be what validation picks."""
        return controls(self.entries, self.reference, PICKS)

    @property
    def planned(self) -> int:
        """How many trials there will be."""
        counts = (len(self.planned_seeds(entry.label)) * len(self.shots_of(entry.label)) for entry in self.entries)
        return sum(counts) * len(self.targets)

    def shots_of(self, label: str) -> tuple[int, ...]:
        """Return the K with which an entry takes part."""
        return tuple(shots for shots in self.shots if shots or label not in self.needs_examples)

    @property
    def overall(self) -> tuple[int, ...]:
        """The K over which an entry's one score is: those with examples, since without any not all take part."""
        return tuple(shots for shots in self.shots if shots) or self.shots

    @property
    def shot_groups(self) -> tuple[str, ...]:
        """What the scores of an entry are of: each K, and all of :attr:`overall`. The last one decides."""
        return (*map(str, self.shots), *([ALL_SHOTS] if len(self.overall) > 1 else []))

    @property
    def done(self) -> int:
        """How many trials have a result."""
        return len(self.cells)

    @property
    def single(self) -> bool:
        """Whether this is about one fusion, which everything else is compared with."""
        return any(entry.label == self.reference and entry.role == "composition" for entry in self.entries)

    @classmethod
    def results_from(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return what is known of the sources, and where the results are."""
        described = [*SOURCES.of(document, workspace, "sources")]
        return {
            "sources": tuple(source for _, group in described for source in group.sources),
            "diagnostics": {
                f"{coordinates['seed']}/{coordinates['family']}": group.diagnostics
                for coordinates, group in described
                if group.diagnostics
            },
            "cells": tuple(
                Cell(
                    coordinates["label"],
                    coordinates["target"],
                    coordinates["shots"],
                    coordinates["seed"],
                    outcome.trial,
                )
                for coordinates, outcome in TRIALS.of(document, workspace, "trial")
            ),
        }
