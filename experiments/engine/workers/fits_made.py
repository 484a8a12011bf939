"""Whether a piece made all of its fits: the time of others does not tell how long such pieces take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.listener import Listener


@dataclass(frozen=True)
class FitsMade:
    """Tells a listener all that it hears, and keeps how each fit went.

    Attributes:
        listener: is told.
        whole: of each fit, whether it was made here from its first step to its end.
    """

    listener: Listener
    whole: list[bool] = field(default_factory=list)

    def say(self, message: str) -> None:
        """Tell one line."""
        self.listener.say(message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Tell of a fit."""
        first, ended = 0, False
        with self.listener.fit(label, steps) as advance:

            def hear(step: int, epoch: float, loss: float) -> None:
                nonlocal first
                first = first or step
                advance(step, epoch, loss)

            try:
                yield hear
                ended = True
            finally:
                self.whole.append(ended and first == 1)

    def complete(self, updates: int | None) -> bool:
        """Return whether all fits of a piece with so many optimiser steps were made; None is a number nobody knows."""
        return all(self.whole) and bool(self.whole or not updates)
