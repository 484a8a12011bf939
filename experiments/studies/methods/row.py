"""What is known of one method in a comparison; every number of it is one of :mod:`quantities`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.methods.record import Search
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter
    from adapter_workbench.workbench.measures.statistics import Interval
    from adapter_workbench.workbench.training.measured_cost import MeasuredCost


@dataclass(frozen=True)
class Row:
    """One method.

    Attributes:
        label: what the recipe calls it; ``method`` and ``settings`` are what it is.
        score: test score, mean over tasks; the interval over seeds.
        tasks: the same by task.
        difference: minus the score of what it is compared with, at equal tasks and seeds; None for the reference.
        measured: memory of the training step alone, and times; None where that has not been measured yet.
        cells: every adapter that is there.
        searches: the learning rates that were tried, by task.
        against: the label of what it is compared with; empty for the reference.
        learned_nothing: (task, seed, why) of the adapters that seem to have learned nothing.
    """

    label: str
    method: str
    settings: Mapping[str, Any]
    score: Interval
    tasks: Mapping[str, Interval]
    difference: Difference | None
    measured: MeasuredCost | None
    cells: tuple[FittedAdapter, ...]
    searches: tuple[Search, ...]
    against: str = ""
    learned_nothing: tuple[tuple[str, int, str], ...] = ()
