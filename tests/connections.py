"""Counts the connections that this process makes: how often a client tries again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def counted_connections() -> Iterator[list[Any]]:
    """Yield a list to which the address of each connection is added that Python code begins."""
    addresses: list[Any] = []
    connect = socket.socket.connect

    def counted(client: socket.socket, address: Any) -> None:
        addresses.append(address)
        connect(client, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", counted)
        yield addresses
