"""Receives the progress of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Listener(Protocol):
    """Receives progress messages; the terminal shows them."""

    def say(self, message: str) -> None:
        """Say one line that stays on the screen."""

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Open a fit of ``steps`` optimiser steps; call what it yields with (step, epoch, loss) after each step.

        A first step above 1 says that the fit goes on from a checkpoint.
        """


class Silent:
    """A listener that ignores everything."""

    def say(self, message: str) -> None:
        """Ignore the line."""

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Ignore the fit."""
        yield lambda step, epoch, loss: None
