"""A call that nothing can end, in a thread of its own: whoever made it may stop waiting."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def in_own_thread(ask: Callable[[], T], name: str) -> Future[T]:
    """Return what ``ask`` will return or raise; its thread, called ``name``, does not keep the process from ending."""
    answer: Future[T] = Future()

    def call() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=call, daemon=True, name=name).start()
    return answer
