"""How far a whole run has come, and how long the rest of it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.reporting.wording import seconds

if TYPE_CHECKING:
    from experiments.engine.study import Piece


@dataclass
class Course:
    """How far a whole run has come, and how long the rest will take at the speed measured since it began.

    A fit is over when its last step is made, or when its piece is done without it: entries of a recipe share adapters,
    and only the first of them trains one.

    Attributes:
        fits: how many lie ahead when it begins; None where that is not known. A fit that tries several settings has
            one label for all of them, and counts once.
        updates: the same in optimiser steps, which all count.
        labels: of the fits so far.
        done: optimiser steps so far, those of a checkpoint included; those of a fit that broke off are made again.
    """

    fits: int | None
    updates: int | None
    labels: set[str] = field(default_factory=set)
    done: int = 0
    began: float = field(default_factory=time.monotonic)
    _made: int = 0  # steps since it began, which tell the speed; those of fits that broke off too
    _settled_fits: int = 0  # of the pieces that are done
    _going: dict[str, int] = field(default_factory=dict)  # steps of the fits at work

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int], None]]:
        """Count a fit and its steps so far; a fit that ends early has no more steps ahead of it."""
        self.labels.add(label)
        self._going[label] = reached = 0

        def reach(step: int) -> None:
            nonlocal reached
            self._made += step - reached if reached else 1  # before the first heard, a checkpoint has them
            self.done += step - reached
            self._going[label] = reached = step

        try:
            yield reach
            if reached:
                reach(steps)
            else:  # a checkpoint had all that it needs
                self.done += steps
        except BaseException:
            self.done -= reached
            raise
        finally:
            self._going.pop(label, None)

    def settle(self, fits: int, updates: int) -> None:
        """Count the pieces that are done so far: how many had a fit, and the steps of these fits."""
        self._settled_fits = max(self._settled_fits, fits)
        found = max(0, updates + sum(self._going.values()) - self.done)
        self.done += found
        self._made += found

    @property
    def place(self) -> str:
        """Which fit of how many: ``3/24``; nothing where that is not known."""
        return f"{max(len(self.labels), self._settled_fits + len(self._going))}/{self.fits}" if self.fits else ""

    @property
    def left(self) -> str:
        """The time left in words, tests and probes included; nothing at the end, or before a speed was measured."""
        if not self.updates or not self._made or self.done >= self.updates:
            return ""
        elapsed, ahead = time.monotonic() - self.began, max(self.updates - self.done, 0)
        return f"{seconds(elapsed * ahead / self._made)} left"


def ahead(pieces: Sequence[Piece]) -> tuple[int, int] | tuple[None, None]:
    """Return how many optimiser steps and fits these pieces take; None for both where nobody knows before."""
    updates = [piece.effort.updates for piece in pieces]
    counts = [steps for steps in updates if steps is not None]
    return (sum(counts), sum(steps > 0 for steps in counts)) if len(counts) == len(updates) else (None, None)
