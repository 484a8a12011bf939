"""Whether a piece made all of its fits: the time of others does not tell how long such pieces take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.engine.clock import Fit, hearing

if TYPE_CHECKING:
    from workbench.machine.listener import Listener


@dataclass(frozen=True)
class FitsMade:
    """Tells a listener all that it hears, and keeps how each fit went.

    Attributes:
        listener: is told.
        fits: those that were begun.
    """

    listener: Listener
    fits: list[Fit] = field(default_factory=list)

    def say(self, message: str) -> None:
        """Tell one line."""
        self.listener.say(message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Tell of a fit."""
        self.fits.append(fit := Fit(steps))
        with self.listener.fit(label, steps) as advance, hearing(fit) as reach:

            def hear(step: int, epoch: float, loss: float) -> None:
                reach(step)
                advance(step, epoch, loss)

            yield hear

    def complete(self, updates: int | None) -> bool:
        """Return whether all fits of a piece with so many optimiser steps were made; None is a number nobody knows."""
        return all(fit.whole for fit in self.fits) and bool(self.fits or not updates)
