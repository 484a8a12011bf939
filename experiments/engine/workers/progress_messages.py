"""How a piece's progress travels from the process that does it to the listener of the run."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter_workbench.experiments.engine.workers.failure import Failure
    from adapter_workbench.workbench.machine.listener import Listener

Message: TypeAlias = tuple[Any, ...]
PAUSE = 0.5  # seconds between two batches: small models make hundreds of steps in one second
AT_ONCE = 250  # processes; with more of them the pause is longer, so that steps make no more batches a second


def pause_of(processes: int) -> float:
    """Return how many seconds each of so many processes waits between two batches."""
    return PAUSE * max(1.0, processes / AT_ONCE)


@dataclass(frozen=True)
class ProgressBatch:
    """Progress messages of a piece; the last batch says why the piece failed, if it did."""

    messages: Sequence[Message]  # as a `ProgressBuffer` collects them
    over: bool = False  # whether the piece has ended, so that the next one can begin at once
    failure: Failure | None = None  # why it failed, in the last batch


class ProgressBuffer:
    """The listener of a piece: collects messages until they are sent."""

    def __init__(self, pause: float, send: Callable[[], None]) -> None:
        """Call ``send``, which may :meth:`take` the messages, at a step ``pause`` seconds after the last time.

        After every other message it is called at once.
        """
        self._pause, self._send = pause, send
        self._messages: list[Message] = []
        self._due = 0.0

    def say(self, message: str) -> None:
        """Add one line."""
        self._add("say", message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Add that a fit begins, its steps, and whether it came to its end or broke off."""
        self._add("begin", label, steps)
        try:
            yield partial(self._add, "step")
        except BaseException:
            self._add("break")
            raise
        self._add("end")

    def take(self) -> list[Message]:
        """Return the messages since the last call; of several steps in a row the first and the last."""
        messages, self._messages = self._messages, []
        self._due = time.monotonic() + self._pause
        return messages

    def _add(self, *message: Any) -> None:
        if [kind for kind, *_ in (*self._messages[-2:], message)] == ["step"] * 3:
            self._messages.pop()
        self._messages.append(message)
        if message[0] != "step" or time.monotonic() >= self._due:
            self._send()


class ProgressReplay:
    """Repeats the messages of one worker to the listener of the run; a fit may be inside another one."""

    def __init__(self, listener: Listener) -> None:
        """Repeat to ``listener``."""
        self._listener = listener
        self._open_fits: list[tuple[AbstractContextManager[Any], Callable[[int, float, float], None]]] = []

    def replay(self, messages: Sequence[Message]) -> None:
        """Repeat what a :class:`ProgressBuffer` collected."""
        for kind, *rest in messages:
            if kind == "say":
                self._listener.say(*rest)
            elif kind == "begin":
                fit = self._listener.fit(*rest)
                self._open_fits.append((fit, fit.__enter__()))
            elif kind == "step":
                self._open_fits[-1][1](*rest)
            elif kind == "end":
                self._open_fits.pop()[0].__exit__(None, None, None)
            elif kind == "break":
                self._break_fit()

    def end(self) -> None:
        """Break off the open fits of a worker that sends nothing more."""
        while self._open_fits:
            self._break_fit()

    def _break_fit(self) -> None:
        error = InterruptedError("this fit broke off in another process")
        self._open_fits.pop()[0].__exit__(type(error), error, None)
