"""The clock of a run: which optimiser steps are made, and how long the rest takes at the speed since it began."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from experiments.engine.work import UNKNOWN, Work
from experiments.workspace.pace import Speed


@dataclass(eq=False)
class Fit:
    """One fit as it is heard.

    Attributes:
        steps: that it was to make.
        first: the first step that was heard, above 1 where a checkpoint had those before; 0 until then.
        reached: the last one.
        ended: whether it came to its end, perhaps earlier than was planned.
    """

    steps: int
    first: int = 0
    reached: int = 0
    ended: bool = False

    def reach(self, step: int) -> None:
        """Hear a step."""
        self.first, self.reached = self.first or step, step

    @property
    def done(self) -> int:
        """The steps that are not ahead any more: of a fit that has ended all of them."""
        return self.steps if self.ended else self.reached

    @property
    def made(self) -> int:
        """The steps that took time, those of a checkpoint left out."""
        return self.done - self.first + 1 if self.first else 0

    @property
    def whole(self) -> bool:
        """Whether it was made here from its first step to its end."""
        return self.ended and self.first == 1


@contextmanager
def hearing(fit: Fit) -> Iterator[Callable[[int], None]]:
    """Yield what hears of the steps of a fit while the block runs; an error in it is a fit that broke off."""
    yield fit.reach
    fit.ended = True


@dataclass
class Clock:
    """How far a whole run has come, and how long the rest will take at the speed measured since it began.

    A fit is over when its last step is made, or when its piece is done without it: entries of a recipe share adapters,
    and only the first of them trains one.

    Attributes:
        ahead: the work that lies ahead when it begins. A fit that tries several settings has one label for all of them,
            and counts once; its steps all count.
        labels: of the fits so far.
        began: when, in seconds of ``time.monotonic``.
    """

    ahead: Work = UNKNOWN
    labels: set[str] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)
    _going: list[Fit] = field(default_factory=list)
    _over: int = 0  # steps of fits that have ended, and of pieces that were done without theirs
    _made: int = 0  # steps of fits that are over, which tell the speed; those of fits that broke off too
    _settled: Work = field(default_factory=Work)  # of the pieces that are done

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int], None]]:
        """Count a fit and its steps so far; a fit that ends early has no more steps ahead of it."""
        self.labels.add(label)
        self._going.append(fit := Fit(steps))
        try:
            with hearing(fit) as reach:
                yield reach
        finally:
            self._going.remove(fit)
            self._made += fit.made
            self._over += fit.done if fit.ended else 0  # those of a fit that broke off are made again

    def settle(self, done: Work) -> None:
        """Count the pieces that are done so far."""
        self._settled = done
        found = max(0, (done.updates or 0) - self._over)
        self._over += found
        self._made += found

    @property
    def done(self) -> int:
        """Optimiser steps that are done, those of checkpoints included."""
        return self._over + sum(fit.reached for fit in self._going)

    @property
    def place(self) -> str:
        """Which fit of how many: ``3/24``; nothing where that is not known."""
        if self.ahead.updates is None or not self.ahead.fits:
            return ""
        return f"{max(len(self.labels), self._settled.fits + len(self._going))}/{self.ahead.fits}"

    @property
    def speed(self) -> Speed:
        """The speed since it began, tests and probes included."""
        made = self._made + sum(fit.made for fit in self._going)
        return Speed(made, time.monotonic() - self.began)

    @property
    def left(self) -> float | None:
        """The seconds that the rest takes; None at the end, before a step was made, or where the end is not known."""
        if not self.ahead.updates or self.done >= self.ahead.updates:
            return None
        return self.speed.takes(self.ahead.updates - self.done)
