"""What a comparison of ways of updating has measured so far: every number of its report, so that it needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from adapter_workbench.experiments.studies.core.against import ComparedRecord
from adapter_workbench.experiments.workspace.fitted_adapter import FITTED_ADAPTERS, FittedAdapter

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

PART = "version"


@dataclass(frozen=True)
class Entry:
    """One entry under ``updates``.

    Attributes:
        settings: those of the way, then those of the method.
        default_rate: the learning rate that the method has where a recipe names none.
        against: the label of the entry that it is compared with; the reference where it is empty.
    """

    label: str
    way: str
    method: str
    settings: Mapping[str, Any]
    default_rate: float | None = None
    against: str = ""


@dataclass(frozen=True)
class VersionAdapter:
    """The adapter of one version, made in the way of an entry: which it is, and its scores.

    Attributes:
        version: of the task, from 1.
    """

    label: str
    task: str
    seed: int
    version: int
    fitted: FittedAdapter

    @property
    def rows(self) -> int | None:
        """How many different training rows were read for it."""
        return self.fitted.train_examples


@dataclass(frozen=True, kw_only=True)
class UpdatesRecord(ComparedRecord):
    """A comparison of ways of updating as far as it has come.

    Attributes:
        tasks: that are updated.
        scenario: how their rows arrive.
        versions: of each task.
        periods: task → names of the tasks that its rows come from, one for each period; itself where its labels grow.
        majority: task → test score of always giving the most frequent answer, of its last version.
        shared_texts: task → id of an example of its last version's test → number of its text, where others have the
            same text; empty where none has, and in records of earlier versions.
    """

    kind = "a comparison of ways of updating"
    result_fields = ("cells",)

    tasks: tuple[str, ...]
    scenario: str
    versions: int
    periods: Mapping[str, tuple[str, ...]]
    budget: Mapping[str, Any]
    majority: Mapping[str, float]
    entries: Annotated[tuple[Entry, ...], Field(alias="updates")]
    shared_texts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    cells: tuple[VersionAdapter, ...] = ()

    @property
    def planned(self) -> int:
        """How many adapters there will be, counted for each entry."""
        adapters = self.versions * len(self.tasks)
        return adapters * sum(len(self.planned_seeds(entry.label)) for entry in self.entries)

    @property
    def done(self) -> int:
        """How many adapters are there."""
        return len(self.cells)

    @classmethod
    def results_from(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return the adapters.

        Raises:
            IntegrityError: a document or the answers to a test split are damaged or missing.
        """
        cells = []
        for coordinates, fitted in FITTED_ADAPTERS.of(document, workspace, PART):
            workspace.evaluations.require_outcomes(fitted.evaluation)
            at = (coordinates["label"], coordinates["task"], coordinates["seed"], coordinates["version"])
            cells.append(VersionAdapter(*at, fitted))
        return {"cells": tuple(cells)}
