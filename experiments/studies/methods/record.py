"""What a comparison of methods has measured so far: every number of its report, so that a report needs no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from experiments.studies.methods.tuning import Attempt, choose
from experiments.workspace.fitted_adapter import FittedAdapter, fitted_adapters
from experiments.workspace.left import Left
from workbench.errors import IntegrityError
from workbench.measured_cost import MeasuredCost

if TYPE_CHECKING:
    from experiments.workspace import RecordDocument, Workspace

ATTEMPTS, COSTS = Left("attempts", Attempt), Left("costs", MeasuredCost)


@dataclass(frozen=True)
class Entrant:
    """One entry under ``methods``; ``trains`` tells whether anything is trained, and a learning rate matters."""

    label: str
    method: str
    settings: Mapping[str, Any]
    trains: bool = True


@dataclass(frozen=True)
class Search:
    """The learning rates that one method tried on one task, with a seed that is not compared."""

    label: str
    task: str
    seed: int
    attempts: tuple[Attempt, ...]
    chosen: float


@dataclass(frozen=True)
class ComparisonRecord:
    """A comparison of methods as far as it has come.

    Attributes:
        experiment: its name.
        reference: label that differences are taken from.
        majority: task → test score of always giving the most frequent answer.
        tune: how many learning rates each method tries on each task.
        costs: label → what its training step and its answers take, measured once, on the first task.
        data: task → SHA-256 of its data.
        kinds: task → its kind.
    """

    experiment: str
    description: str
    backbone: str
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    reference: str
    budget: Mapping[str, Any]
    tune: int
    majority: Mapping[str, float]
    entrants: tuple[Entrant, ...]
    data: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    searches: tuple[Search, ...] = ()
    cells: tuple[FittedAdapter, ...] = ()
    costs: Mapping[str, MeasuredCost] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        """How many adapters there will be."""
        return len(self.entrants) * len(self.tasks) * len(self.seeds)


DERIVED = {
    "experiment",
    "identity",
    "provenance",
    "searches",
    "cells",
    "costs",
}
RECORD = TypeAdapter(ComparisonRecord)


def header(record: ComparisonRecord) -> dict[str, Any]:
    """Return what is the same for all pieces of a record, as JSON has it."""
    content: dict[str, Any] = RECORD.dump_python(record, mode="json", exclude=DERIVED)
    return content


def read_record(experiment: str, document: RecordDocument, workspace: Workspace) -> ComparisonRecord:
    """Return a comparison as far as it has come.

    Raises:
        IntegrityError: something that it is made of is damaged or missing.
    """
    where = str(workspace.experiment(experiment))
    try:
        blank = RECORD.validate_python(document.content(experiment))
        return replace(
            blank,
            searches=_searches(document, workspace),
            cells=fitted_adapters(document, workspace, "fit"),
            costs={place["label"]: cost for place, cost in COSTS.of(document, workspace, "cost")},
        )
    except (KeyError, TypeError, ValidationError) as error:
        what = f"damaged: this is no record of a comparison of methods ({error})"
        raise IntegrityError(what, where=where) from None


def _searches(document: RecordDocument, workspace: Workspace) -> tuple[Search, ...]:
    """Return the searches that have come to their end and found a learning rate that works."""
    tried: dict[tuple[str, str, int], list[Attempt]] = {}
    for place, attempt in ATTEMPTS.of(document, workspace, "attempt"):
        tried.setdefault((place["label"], place["task"], place["seed"]), []).append(attempt)
    planned = Counter(
        (piece.place["label"], piece.place["task"], piece.place["seed"])
        for piece in document.pieces
        if piece.place["part"] == "attempt"
    )
    return tuple(
        Search(*at, tuple(attempts), choose(attempts))
        for at, attempts in tried.items()
        if len(attempts) == planned[at] and any(attempt.validation is not None for attempt in attempts)
    )
