"""What a case may not do to its surroundings: call another machine, and take much memory."""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

MOST_MEMORY = 1 << 30  # bytes that a case may take beyond what the process had before
HERE = ("127.", "::1", "localhost", "testserver")
watched = {"on": False}


class ForeignConnectionError(BaseException):
    """A case calls another machine; no handler of errors of the network takes it for one."""


@contextmanager
def watching() -> Iterator[None]:
    """Raise an error where the block opens a connection to another machine, or takes too much memory.

    Raises:
        ForeignConnectionError: it connects, or asks for a name's address.
        AssertionError: it took more memory than it may.
    """
    _listen()
    before, watched["on"] = _peak(), True
    try:
        yield
    finally:
        watched["on"] = False
    grown = _peak() - before
    assert grown <= MOST_MEMORY, f"it takes {grown >> 20} MiB of memory"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@cache
def _listen() -> None:
    """Hear of connections for the rest of the process; a hook of Python's audit cannot be taken back."""

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if not watched["on"] or event not in ("socket.connect", "socket.getaddrinfo"):
            return
        address = arguments[1] if event == "socket.connect" else arguments
        if event == "socket.connect" and arguments[0].family == socket.AF_UNIX:
            return
        host = str(address[0] or "127.")
        if not host.startswith(HERE):
            raise ForeignConnectionError(f"{event}: {host}")

    sys.addaudithook(hear)
