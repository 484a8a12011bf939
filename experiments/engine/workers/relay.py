"""How a piece goes, from the process that does it to the listener of the run."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from workbench.machine.listener import Listener

Message: TypeAlias = tuple[Any, ...]
PAUSE = 0.5  # seconds between two parcels: small models make hundreds of steps in one second
AT_ONCE = 250  # processes; with more of them the pause is longer, so that steps make no more parcels a second


def pause_of(processes: int) -> float:
    """Return how many seconds each of so many processes waits between two parcels."""
    return PAUSE * max(1.0, processes / AT_ONCE)


class Relay:
    """The listener of a piece: keeps what it hears until that is handed over."""

    def __init__(self, pause: float, hand_over: Callable[[], None]) -> None:
        """Call ``hand_over``, which may take what was heard, at a step ``pause`` seconds after the last time.

        Whatever else is heard is handed over at once.
        """
        self._pause, self._hand_over = pause, hand_over
        self._heard: list[Message] = []
        self._due = 0.0

    def say(self, message: str) -> None:
        """Keep one line."""
        self._hear("say", message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Keep that a fit begins, where it is, and that it came to its end or broke off."""
        self._hear("begin", label, steps)
        try:
            yield partial(self._hear, "step")
        except BaseException:
            self._hear("break")
            raise
        self._hear("end")

    def taken(self) -> list[Message]:
        """Return what was heard since the last call; of steps in a row the first and the last."""
        taken, self._heard = self._heard, []
        self._due = time.monotonic() + self._pause
        return taken

    def _hear(self, *message: Any) -> None:
        if [kind for kind, *_ in (*self._heard[-2:], message)] == ["step"] * 3:
            self._heard.pop()
        self._heard.append(message)
        if message[0] != "step" or time.monotonic() >= self._due:
            self._hand_over()


class Fits:
    """The fits of one worker, as the listener of the run hears of them: one inside the other, if at all."""

    def __init__(self, listener: Listener) -> None:
        """Tell ``listener``."""
        self._listener = listener
        self._going: list[tuple[AbstractContextManager[Any], Callable[[int, float, float], None]]] = []

    def tell(self, messages: Sequence[Message]) -> None:
        """Pass on what a :class:`Relay` has heard."""
        for kind, *rest in messages:
            if kind == "say":
                self._listener.say(*rest)
            elif kind == "begin":
                fit = self._listener.fit(*rest)
                self._going.append((fit, fit.__enter__()))
            elif kind == "step":
                self._going[-1][1](*rest)
            elif kind == "end":
                self._going.pop()[0].__exit__(None, None, None)
            elif kind == "break":
                self._break()

    def end(self) -> None:
        """Break off the fits of a worker that says nothing more."""
        while self._going:
            self._break()

    def _break(self) -> None:
        error = InterruptedError("this fit broke off in another process")
        self._going.pop()[0].__exit__(type(error), error, None)
