"""What is known of one repair of one entry, or of doing nothing; every number of it is one of :mod:`quantities`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.studies.repair.record import NOTHING

if TYPE_CHECKING:
    from experiments.reporting.differences import Difference
    from experiments.studies.repair.record import Repaired
    from workbench.measures.statistics import Interval


@dataclass(frozen=True)
class Row:
    """One repair of one of the stream's entries, or what that is with nothing done.

    Attributes:
        label: what it is compared under: the entry's own with nothing done.
        name: of the repair in the recipe; ``nothing`` where nothing is done.
        metrics: by name, over replications.
        values: the same in each replication; None where that is not there yet.
        scores: task → score on the test split, in each replication.
        cells: the result of the repair in each replication; none where nothing is done.
        gain: how much higher the average accuracy is than with nothing done; None for that itself.
    """

    label: str
    name: str
    metrics: Mapping[str, Interval]
    values: tuple[Mapping[str, float | None] | None, ...]
    scores: tuple[Mapping[str, float] | None, ...]
    cells: tuple[Repaired | None, ...] = ()
    gain: Difference | None = None

    @property
    def done(self) -> tuple[Repaired, ...]:
        """The results that are there."""
        return tuple(cell for cell in self.cells if cell)

    @property
    def validation_gain(self) -> float | None:
        """What it gains on validation, over all replications; None before all are there, and where nothing is done."""
        if self.name == NOTHING or len(self.done) < len(self.cells):
            return None
        return sum(cell.validation - cell.unrepaired for cell in self.done)
