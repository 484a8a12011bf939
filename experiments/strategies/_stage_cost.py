"""What a stage takes: its fits, and a remedy's work beside them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from adapter_workbench.workbench.machine.memory import PeakMemory
from adapter_workbench.workbench.machine.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.workbench.adapters.fit_record import FitRecord


@dataclass
class StageCost:
    """Time and memory of a stage."""

    clock: Stopwatch = field(default_factory=Stopwatch)  # the time of all its work together
    # the highest memory of each piece of work, in MB; None where that is not measurable
    peaks: list[float | None] = field(default_factory=list)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is done in the context, in which there is no other."""
        with self.clock, PeakMemory() as memory:
            yield
        self.peaks.append(memory.peak_mb)

    def add(self, record: FitRecord) -> None:
        """Count a fit."""
        self.clock.add(record.seconds, record.spent)
        self.peaks.append(record.peak_memory_mb)

    def record_of(self, kept: FitRecord) -> FitRecord:
        """Return the record of the fit that was kept, with the time and memory of the whole stage."""
        peak = max((peak for peak in self.peaks if peak is not None), default=None)
        return replace(kept, seconds=self.clock.seconds, spent=self.clock.spent, peak_memory_mb=peak)
