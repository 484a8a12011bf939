"""What is known of one router, joint model or adapter; every number of it is one of :mod:`quantities`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.studies.routing.record import ORACLE, ROUTER

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.routing.record import EntryResult
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter
    from adapter_workbench.workbench.measures.statistics import Interval


@dataclass(frozen=True)
class Row:
    """One router, or one joint model.

    Attributes:
        label: what the recipe calls it; ``role``, ``name`` and ``settings`` are what it is.
        accuracy: share of test texts with the right task and the right label, mean over tasks; over seeds.
        tasks: the same by task.
        routing_accuracy: share of test texts with the right task, mean over tasks; over seeds.
        confusion: share of task i's texts that were taken for task j (T, T), mean over seeds; empty before any.
        difference: accuracy minus that of what it is compared with, at equal seeds; None for the reference.
        cells: what every seed gave.
        against: the label of what it is compared with; empty for the reference.
    """

    label: str
    role: str
    name: str
    settings: Mapping[str, Any]
    accuracy: Interval
    tasks: Mapping[str, Interval]
    routing_accuracy: Interval
    confusion: tuple[tuple[float, ...], ...]
    difference: Difference | None
    cells: tuple[EntryResult, ...]
    against: str = ""

    @property
    def routes(self) -> bool:
        """Whether it is a router that has to find the task itself."""
        return self.role == ROUTER and self.name != ORACLE


@dataclass(frozen=True)
class AdapterRow:
    """The adapters of one task, one for each seed, where the task is known.

    Attributes:
        score: share of right answers on the task's test split, over seeds.
        adapters: those that are there.
        learned_nothing: (seed, why) of those that seem to have learned nothing.
    """

    task: str
    score: Interval
    adapters: tuple[FittedAdapter, ...]
    learned_nothing: tuple[tuple[int, str], ...] = ()
