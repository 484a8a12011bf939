"""Wall time of work that is done in several pieces, and what else the machine counts while it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Self

COUNTERS: dict[str, Callable[[], float | None]] = {  # by quantity: what only ever rises; None where nobody tells
    "processor_seconds": time.process_time,  # of all threads of this process
}


class Stopwatch:
    """A context that may be entered again and again, one entry at a time.

    Attributes:
        seconds: what all of its blocks took together.
        spent: by how much each of :data:`COUNTERS` rose in them, of those that tell.
    """

    def __init__(self) -> None:
        """Count from nothing."""
        self.seconds = 0.0
        self.spent: dict[str, float] = dict.fromkeys(_counts_now(), 0.0)

    def __enter__(self) -> Self:
        self._began, self._before = time.perf_counter(), _counts_now()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, whatever ended the block."""
        self.seconds, self.spent = self.so_far()

    def so_far(self) -> tuple[float, dict[str, float]]:
        """Return ``seconds`` and ``spent`` with what the block that it is in has taken until now."""
        rose = {name: value - self._before[name] for name, value in _counts_now().items() if name in self._before}
        return self.seconds + time.perf_counter() - self._began, sum_counts(self.spent, rose)

    def add(self, seconds: float, spent: Mapping[str, float]) -> None:
        """Add counts of earlier work, for example of another process; counters that it lacks are dropped."""
        self.seconds, self.spent = self.seconds + seconds, sum_counts(self.spent, spent)


def sum_counts(first: Mapping[str, float], *others: Mapping[str, float]) -> dict[str, float]:
    """Return the sums of what was counted in all of several pieces of work."""
    common = [name for name in first if all(name in other for other in others)]
    return {name: sum(part[name] for part in (first, *others)) for name in common}


def _counts_now() -> dict[str, float]:
    read = {name: counter() for name, counter in COUNTERS.items()}
    return {name: value for name, value in read.items() if value is not None}
