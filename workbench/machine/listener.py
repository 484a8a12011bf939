"""Receives the progress of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, Self


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
        yield lambda step, epoch, loss: None


class Changed(Silent):
    """A listener of work that is done again and again: passes on what was not said the time before."""

    def __init__(self, listener: Listener) -> None:
        """Pass lines on to ``listener``."""
        self._listener = listener
        self._before: set[str] = set()
        self._now: set[str] = set()

    def again(self) -> Self:
        """Begin the next time; returns itself."""
        self._before, self._now = self._now, set()
        return self

    def say(self, message: str) -> None:
        """Pass the line on if it is another one than before."""
        self._now.add(message)
        if message not in self._before:
            self._listener.say(message)
