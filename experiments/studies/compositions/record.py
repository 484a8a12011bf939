"""What a comparison of compositions has come to: who takes part, and the key of every result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from experiments.workspace.left import Left
from workbench.errors import IntegrityError

if TYPE_CHECKING:
    from experiments.workspace import RecordDocument, Workspace


@dataclass(frozen=True)
class Party:
    """A contestant as the record knows it."""

    label: str
    role: str
    family: str
    method: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One result: whose, on which problem, and where it is stored."""

    label: str
    target: str
    shots: int
    seed: int
    key: str


@dataclass(frozen=True)
class SourcesLeft:
    """What was known of the sources of one seed and family before they were composed.

    Attributes:
        sources: for each its adapter id, task, method, seed and validation score.
        diagnostics: see :func:`fusion.diagnostics.diagnose`; None where there is nothing to compare.
    """

    sources: tuple[Mapping[str, Any], ...]
    diagnostics: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class TrialLeft:
    """Where the result of a trial is stored."""

    trial: str


SOURCES, TRIALS = Left("pieces", SourcesLeft), Left("pieces", TrialLeft)


@dataclass(frozen=True)
class FusionRecord:
    """A comparison as far as it has come.

    Attributes:
        experiment: its name.
        reference: label of the contestant that gains are measured against.
        budgets: K → the budget of every fit and test.
        sources: for each source its adapter id, task, method, seed and validation score.
        diagnostics: (seed, family) as ``seed/family`` → what was known of the sources before they were composed.
        majority: target → test score of always answering the most frequent label.
        data: target → SHA-256 of its data.
    """

    experiment: str
    description: str
    backbone: str
    reference: str
    targets: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    budgets: Mapping[str, Mapping[str, Any]]
    majority: Mapping[str, float]
    parties: tuple[Party, ...]
    data: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Mapping[str, Any], ...] = ()
    cells: tuple[Cell, ...] = ()
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        """How many results there will be."""
        return len(self.parties) * len(self.targets) * len(self.shots) * len(self.seeds)

    @property
    def single(self) -> bool:
        """Whether this is about one fusion, which everything else is compared with."""
        return any(one.label == self.reference and one.role == "composition" for one in self.parties)


DERIVED = {
    "experiment",
    "identity",
    "provenance",
    "sources",
    "cells",
    "diagnostics",
}
RECORD = TypeAdapter(FusionRecord)


def header(record: FusionRecord) -> dict[str, Any]:
    """Return what is the same for all pieces of a record, as JSON has it."""
    content: dict[str, Any] = RECORD.dump_python(record, mode="json", exclude=DERIVED)
    return content


def read_record(experiment: str, document: RecordDocument, workspace: Workspace) -> FusionRecord:
    """Return a comparison as far as it has come.

    Raises:
        IntegrityError: something that it is made of is damaged or missing.
    """
    try:
        blank = RECORD.validate_python(document.content(experiment))
        sources: list[Mapping[str, Any]] = []
        diagnostics: dict[str, Any] = {}
        for place, left in SOURCES.of(document, workspace, "sources"):
            sources += left.sources
            if left.diagnostics:
                diagnostics[f"{place['seed']}/{place['family']}"] = left.diagnostics
        cells = tuple(
            Cell(place["label"], place["target"], place["shots"], place["seed"], left.trial)
            for place, left in TRIALS.of(document, workspace, "trial")
        )
    except (KeyError, TypeError, ValidationError) as error:
        what = f"damaged: this is no record of a comparison of compositions ({error})"
        raise IntegrityError(what, where=str(workspace.experiment(experiment))) from None
    return replace(blank, sources=tuple(sources), diagnostics=diagnostics, cells=cells)
