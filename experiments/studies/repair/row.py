"""What is known of one repair of one entry, or of doing nothing; every number of it is one of :mod:`quantities`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.repair.record import Repaired
    from adapter_workbench.experiments.studies.repair.streams import LearnedStream
    from adapter_workbench.workbench.measures.statistics import Interval


@dataclass(frozen=True)
class Cell:
    """One replication.

    Attributes:
        scores: task → score on the test split.
        metrics: what these come to, by name.
        repaired: the result of the repair; None where nothing was done.
    """

    stream: LearnedStream
    scores: Mapping[str, float]
    metrics: Mapping[str, float | None]
    repaired: Repaired | None


@dataclass(frozen=True)
class Row:
    """One repair of one of the stream's entries, or what that is with nothing done.

    Attributes:
        label: what it is compared under: the entry's own with nothing done.
        name: of the repair in the recipe; ``nothing`` where nothing is done.
        metrics: by name, over replications.
        tasks: task → its score, over replications.
        cells: the replications that are there.
        difference: the average accuracy minus that with nothing done; None for that itself, and for a control.
        control: name of the control that it is compared with too; empty where there is none.
        minus_control: the average accuracy minus that of the control; None where there is none.
        is_control: whether it is a control itself.
    """

    label: str
    name: str
    metrics: Mapping[str, Interval]
    tasks: Mapping[str, Interval]
    cells: tuple[Cell, ...]
    difference: Difference | None = None
    control: str = ""
    minus_control: Difference | None = None
    is_control: bool = False

    @property
    def repaired(self) -> tuple[Repaired, ...]:
        """The results of the repair, one for each replication that is done."""
        return tuple(cell.repaired for cell in self.cells if cell.repaired)
