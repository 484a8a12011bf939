"""How a piece goes, from the process that does it to the listener of the run."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from workbench.listener import Listener

Message: TypeAlias = tuple[Any, ...]
OVER: Message = ("over",)
PAUSE = 0.5  # seconds for which messages are gathered: small models make hundreds of steps in one second
AT_ONCE = 250  # processes; with more of them the pause is longer, so that the run gets no more parcels a second


def pause_of(processes: int) -> float:
    """Return for how many seconds each of so many processes gathers what it says."""
    return PAUSE * max(1.0, processes / AT_ONCE)


@dataclass(frozen=True)
class Relay:
    """The listener of a piece: keeps what it hears until it is taken.

    Attributes:
        pause: seconds for which messages are gathered; the end of a piece is sent at once.
    """

    pause: float = PAUSE
    heard: SimpleQueue[Message] = field(default_factory=SimpleQueue)
    _over: Event = field(default_factory=Event, repr=False)

    def say(self, message: str) -> None:
        """Keep one line."""
        self.heard.put(("say", message))

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Keep that a fit begins, where it is, and that it came to its end or broke off."""
        self.heard.put(("begin", label, steps))
        try:
            yield lambda step, epoch, loss: self.heard.put(("step", step, epoch, loss))
        except BaseException:
            self.heard.put(("break",))
            raise
        self.heard.put(("end",))

    def over(self) -> None:
        """Keep that the piece is over."""
        self._over.set()  # first, so that it is not set any more once OVER was taken
        self.heard.put(OVER)

    def taken(self) -> Iterator[list[Message]]:
        """Yield what was heard, once a pause, to OVER, which comes last; of steps in a row the first and the last.

        The thread that computes is not disturbed for each message.
        """
        while True:
            messages = [self.heard.get()]
            self._over.wait(self.pause)
            with suppress(Empty):
                while messages[-1] != OVER:
                    message = self.heard.get_nowait()
                    if [kind for kind, *_ in (*messages[-2:], message)] == ["step"] * 3:
                        messages.pop()
                    messages.append(message)
            if messages[-1] == OVER:
                self._over.clear()
            yield messages
            if messages[-1] == OVER:
                return


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
