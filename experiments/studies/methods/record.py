"""What a comparison of methods has measured so far: every number of its report, so that a report needs no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from adapter_workbench.experiments.studies.core.against import ComparedRecord
from adapter_workbench.experiments.studies.core.tune import ATTEMPTS, LearningRateTrial, choose
from adapter_workbench.experiments.studies.core.widening import is_enclosed
from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter, fitted_adapters
from adapter_workbench.experiments.workspace.piece_results import PieceResults
from adapter_workbench.workbench.training.measured_cost import MeasuredCost

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

COSTS = PieceResults("costs", MeasuredCost)


@dataclass(frozen=True)
class Entry:
    """One entry under ``methods``.

    Attributes:
        trains: whether anything is trained, and a learning rate matters.
        default_rate: the learning rate that the method has where a recipe names none; None where nothing is trained,
            and in records of earlier versions.
        against: the label of the method that it is compared with; the reference where it is empty.
    """

    label: str
    method: str
    settings: Mapping[str, Any]
    trains: bool = True
    default_rate: float | None = None
    against: str = ""


@dataclass(frozen=True)
class Search:
    """The learning rates that one method tried on one task, with a seed that is not compared."""

    label: str
    task: str
    seed: int
    attempts: tuple[LearningRateTrial, ...]
    chosen: float

    def as_json(self) -> dict[str, Any]:
        """Return every attribute, and whether the chosen rate stands between two that are worse (``enclosed``)."""
        attempts = [attempt.as_json() for attempt in self.attempts]
        return {**asdict(self), "attempts": attempts, "enclosed": is_enclosed(self.attempts)}


@dataclass(frozen=True, kw_only=True)
class ComparisonRecord(ComparedRecord):
    """A comparison of methods as far as it has come.

    Attributes:
        majority: task → test score of always giving the most frequent answer.
        tune: how many learning rates each method tries on each task.
        kinds: task → its kind.
        shared_texts: task → id of a test example → number of its text, where other test examples have the same text;
            empty where none has, and in records of earlier versions.
        costs: label → what its training step and its answers take, measured once, on the first task.
    """

    kind = "a comparison of methods"
    result_fields = ("searches", "cells", "costs")

    tasks: tuple[str, ...]
    budget: Mapping[str, Any]
    tune: int
    majority: Mapping[str, float]
    entries: Annotated[tuple[Entry, ...], Field(alias="entrants")]  # in record.json
    kinds: Mapping[str, str] = field(default_factory=dict)
    shared_texts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    searches: tuple[Search, ...] = ()
    cells: tuple[FittedAdapter, ...] = ()
    costs: Mapping[str, MeasuredCost] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        """How many adapters there will be."""
        return len(self.tasks) * sum(len(self.planned_seeds(entry.label)) for entry in self.entries)

    @property
    def done(self) -> int:
        """How many adapters are there."""
        return len(self.cells)

    @classmethod
    def results_from(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return searches, adapters and costs."""
        return {
            "searches": _searches(document, workspace),
            "cells": fitted_adapters(document, workspace, "fit"),
            "costs": {coordinates["label"]: cost for coordinates, cost in COSTS.of(document, workspace, "cost")},
        }


def _searches(document: RecordDocument, workspace: Workspace) -> tuple[Search, ...]:
    """Return the searches that have come to their end and found a learning rate that works."""
    tried: dict[tuple[str, str, int], list[LearningRateTrial]] = {}
    for coordinates, attempt in ATTEMPTS.of(document, workspace, "attempt"):
        tried.setdefault((coordinates["label"], coordinates["task"], coordinates["seed"]), []).append(attempt)
    planned = Counter(
        (piece.coordinates["label"], piece.coordinates["task"], piece.coordinates["seed"])
        for piece in document.pieces
        if piece.coordinates["part"] == "attempt"
    )
    return tuple(
        Search(*at, tuple(attempt for attempt in attempts if attempt.needed), choose(attempts))
        for at, attempts in tried.items()
        if len(attempts) == planned[at] and any(attempt.validation is not None for attempt in attempts)
    )
