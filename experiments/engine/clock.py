"""The clock of a run: which optimiser steps are made, and how long the rest takes at the speed since it began."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from adapter_workbench.experiments.engine.work import UNKNOWN, Work
from adapter_workbench.experiments.workspace.pace import Speed


@dataclass(eq=False)
class Fit:
    """How far one fit has come."""

    steps: int  # that it was to make
    first: int = 0  # the first step that was made here, above 1 where a checkpoint had those before; 0 until then
    reached: int = 0  # the last step so far
    ended: bool = False  # whether it came to its end, perhaps earlier than was planned

    def reach(self, step: int) -> None:
        """Count a step."""
        self.first, self.reached = self.first or step, step

    @property
    def done(self) -> int:
        """The steps that need not be made any more: all of them once the fit has ended."""
        return self.steps if self.ended else self.reached

    @property
    def made(self) -> int:
        """The steps that took time here, without those of a checkpoint."""
        return self.done - self.first + 1 if self.first else 0

    @property
    def made_in_full(self) -> bool:
        """Whether it was made here from its first step to its end."""
        return self.ended and self.first == 1


@contextmanager
def counting(fit: Fit) -> Iterator[Callable[[int], None]]:
    """Yield a function that counts the steps of a fit; if the block raises an error, the fit broke off."""
    yield fit.reach
    fit.ended = True


@dataclass
class Clock:
    """How far a whole run has come, and how long the rest will take at the speed measured since it began.

    A fit is over when its last step is made, or when its piece is done without it: entries of a recipe share adapters,
    and only the first of them trains one.
    """

    # the work to do when it begins. A fit that tries several settings has one label for all of them, and counts
    # once; its steps all count.
    ahead: Work = UNKNOWN
    labels: set[str] = field(default_factory=set)  # of the fits so far
    began: float = field(default_factory=time.monotonic)  # when, in seconds of ``time.monotonic``
    _running: list[Fit] = field(default_factory=list)
    _over: int = 0  # steps of fits that have ended, and of pieces that were done without a fit
    _made: int = 0  # steps of fits that have ended or broken off: they took time, so they tell the speed
    _pieces_done: Work = field(default_factory=Work)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int], None]]:
        """Count a fit and its steps so far; a fit that ends early has no more steps ahead of it."""
        self.labels.add(label)
        self._running.append(fit := Fit(steps))
        try:
            with counting(fit) as count:
                yield count
        finally:
            self._running.remove(fit)
            self._made += fit.made
            self._over += fit.done if fit.ended else 0  # those of a fit that broke off are made again

    def count_pieces(self, done: Work) -> None:
        """Count the pieces that are done so far; their fits may have been in the workspace."""
        self._pieces_done = done
        without_fit = max(0, (done.updates or 0) - self._over)
        self._over += without_fit
        self._made += without_fit

    @property
    def done(self) -> int:
        """Optimiser steps that are done, those of checkpoints included."""
        return self._over + sum(fit.reached for fit in self._running)

    @property
    def fit_count(self) -> str:
        """Which fit of how many: ``3/24``; empty where that is not known."""
        if self.ahead.updates is None or not self.ahead.fits:
            return ""
        return f"{max(len(self.labels), self._pieces_done.fits + len(self._running))}/{self.ahead.fits}"

    @property
    def speed(self) -> Speed:
        """The speed since it began, tests and probes included."""
        made = self._made + sum(fit.made for fit in self._running)
        return Speed(made, time.monotonic() - self.began)

    @property
    def remaining(self) -> float | None:
        """The seconds that the rest takes; None at the end, before a step was made, or where the end is not known."""
        if not self.ahead.updates or self.done >= self.ahead.updates:
            return None
        return self.speed.takes(self.ahead.updates - self.done)
