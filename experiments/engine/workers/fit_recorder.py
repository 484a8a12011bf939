"""Whether a piece made all of its fits: the time of other pieces does not tell how long such a piece takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.clock import Fit, counting

if TYPE_CHECKING:
    from adapter_workbench.workbench.machine.listener import Listener


@dataclass(frozen=True)
class FitRecorder:
    """A listener that passes everything on to another one, and records how far each fit came.

    Attributes:
        listener: the other one.
        fits: those that were begun.
    """

    listener: Listener
    fits: list[Fit] = field(default_factory=list)

    def say(self, message: str) -> None:
        """Pass on one line."""
        self.listener.say(message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Record a fit, and pass it on."""
        self.fits.append(fit := Fit(steps))
        with self.listener.fit(label, steps) as advance, counting(fit) as count:

            def on_step(step: int, epoch: float, loss: float) -> None:
                count(step)
                advance(step, epoch, loss)

            yield on_step

    def made_all(self, updates: int | None) -> bool:
        """Return whether every fit of a piece with so many optimiser steps (None: unknown) was made from its start."""
        return all(fit.made_in_full for fit in self.fits) and bool(self.fits or not updates)
