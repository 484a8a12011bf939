"""Keeps what signals do in this process while Ray sets handlers of its own."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def keep_handlers() -> Iterator[None]:
    """Keep what SIGTERM does: when Ray begins it sets a handler of its own, which exits with the signal's number."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as leaving:
        raise SystemExit(128 + signal.SIGTERM if leaving.code == signal.SIGTERM else leaving.code) from None
    finally:
        with suppress(ValueError):  # not in the main thread, where Ray takes none either
            signal.signal(signal.SIGTERM, before)


@contextmanager
def keep_exits() -> Iterator[None]:
    """Let SystemExit leave the block as a signal's handler raised it: where Ray waits, it raises one with code 1.

    See :func:`adapter_workbench.workbench.machine.processes.stoppable`.
    """
    main = threading.current_thread() is threading.main_thread()
    before = {number: handler for number in ENDING if main and callable(handler := signal.getsignal(number))}
    exits: list[SystemExit] = []

    def end(number: int, frame: FrameType | None) -> None:
        try:
            before[signal.Signals(number)](number, frame)
        except SystemExit as leaving:
            exits.append(leaving)
            raise

    for number in before:
        signal.signal(number, end)
    try:
        yield
    except SystemExit as leaving:
        raise (exits[0] if exits else leaving) from None
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) == end:
                signal.signal(number, handler)
