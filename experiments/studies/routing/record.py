"""What a comparison of routers has measured so far: every number of its report, so that a report needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from adapter_workbench.experiments.studies.core.against import ComparedRecord
from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter, fitted_adapters
from adapter_workbench.experiments.workspace.piece_results import PieceResults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.workbench.measures.statistics import Array

ROUTER, JOINT = "router", "joint"  # roles
ORACLE = "oracle"  # the router that knows the task of each text


@dataclass(frozen=True)
class Entry:
    """One entry under ``routers`` or ``joint``: its label, its role, and the router or method with its settings.

    Attributes:
        reads_data: whether a router reads training examples of the adapters' tasks; None for a joint model.
        against: the label of the entry that it is compared with; the reference where it is empty.
    """

    label: str
    role: str
    name: str
    settings: Mapping[str, Any]
    reads_data: bool | None = None  # what earlier versions recorded does not say
    against: str = ""


@dataclass(frozen=True)
class RoutingOutcome:
    """How the test texts of T tasks fare, class-incremental: nobody names the task (van de Ven & Tolias, 1904.07734).

    An answer is right where the task is right *and* the label is. Labels of different tasks count as different, so a
    text that goes to another task's adapter is wrong whatever label that adapter gives.

    Attributes:
        counts: how many of task i's texts were taken for task j (T, T).
        correct: for each task a character for each of its texts, ``1`` where task and label are right, else ``0``.
    """

    counts: tuple[tuple[int, ...], ...]
    correct: tuple[str, ...]

    @cached_property
    def accuracies(self) -> list[float]:
        """For each task the share of its texts with the right task and the right label."""
        return [answers.count("1") / len(answers) for answers in self.correct]

    @property
    def accuracy(self) -> float:
        """Mean over tasks of :attr:`accuracies`."""
        return fmean(self.accuracies)

    @cached_property
    def confusion(self) -> NDArray[np.float64]:
        """The share of task i's texts that were taken for task j: (T, T), rows sum to 1."""
        counts = np.array(self.counts, dtype=np.float64)
        shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
        return shares

    @property
    def routing_accuracy(self) -> float:
        """Mean over tasks of the share of texts with the right task."""
        return float(np.mean(np.diag(self.confusion)))

    @cached_property
    def scores(self) -> list[Array]:
        """For each task (n_j,) 1 where a text was answered rightly, else 0."""
        return [np.array([*map(float, answers)]) for answers in self.correct]


def outcome(chosen: Sequence[NDArray[np.int64]], correct: Sequence[NDArray[np.bool_]]) -> RoutingOutcome:
    """Return the outcome of texts.

    Args:
        chosen: for each task (n_j,), the task that each of its texts was taken to belong to.
        correct: for each task (n_j,), whether task and label are right.
    """
    tasks = len(chosen)
    counts = tuple(tuple(np.bincount(taken, minlength=tasks).tolist()) for taken in chosen)
    return RoutingOutcome(counts, tuple("".join("01"[int(right)] for right in answers) for answers in correct))


@dataclass(frozen=True)
class EntryResult:
    """How a router, or a joint model, does with one seed.

    Attributes:
        outcome: what became of each test text.
        fit_seconds: what it took to learn of all adapters, or to train the joint model; None where the workspace knew
            a part of it before.
        milliseconds: to choose an adapter for a text, on average; None for a joint model, which chooses none.
        label, seed: its coordinates in an experiment; empty in the workspace.
    """

    outcome: RoutingOutcome
    fit_seconds: float | None
    milliseconds: float | None
    label: str = ""
    seed: int = 0


ENTRY_RESULTS = PieceResults("pieces", EntryResult)


@dataclass(frozen=True, kw_only=True)
class RoutingRecord(ComparedRecord):
    """A comparison of routers as far as it has come.

    Attributes:
        method: of the tasks' own adapters, with its ``settings``.
    """

    kind = "a comparison of routers"
    result_fields = ("adapters", "cells")

    tasks: tuple[str, ...]
    budget: Mapping[str, Any]
    method: str
    settings: Mapping[str, Any]
    entries: Annotated[tuple[Entry, ...], Field(alias="contenders")]  # in record.json
    adapters: tuple[FittedAdapter, ...] = ()
    cells: tuple[EntryResult, ...] = ()

    @property
    def planned(self) -> int:
        """How many adapters, joint models and routers there will be, one for each seed."""
        routed = sum(len(self.planned_seeds(entry.label)) for entry in self.entries)
        return len(self.seeds) * len(self.tasks) + routed

    @property
    def done(self) -> int:
        """How many of them are there."""
        return len(self.adapters) + len(self.cells)

    @classmethod
    def results_from(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return the adapters, and the results of routers and joint models."""
        cells = (
            replace(cell, label=coordinates["label"], seed=coordinates["seed"])
            for role in (ROUTER, JOINT)
            for coordinates, cell in ENTRY_RESULTS.of(document, workspace, role)
        )
        return {"adapters": fitted_adapters(document, workspace, "adapter"), "cells": tuple(cells)}
