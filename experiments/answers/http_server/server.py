"""The server: its socket, its start and its end."""

from __future__ import annotations

import math
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

from adapter_workbench.experiments.answers.http_server.address import names_of
from adapter_workbench.experiments.answers.http_server.app import application
from adapter_workbench.experiments.answers.http_server.connection import LEAVING, Connection, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.service import Service


def serve(
    service: Service, bound: socket.socket, limits: Limits, key: bytes | None, started: Callable[[], None]
) -> bool:
    """Answer until SIGTERM, SIGINT or SIGHUP; requests that are there are answered, and what comes then is refused.

    A SIGHUP that is ignored (``nohup``) stays ignored.
    Returns whether it was finished: a second SIGINT does not wait for it.

    Args:
        service: what answers; it is closed at the end.
        bound: where to listen (:func:`adapter_workbench.experiments.answers.http_server.address.bind`).
        limits: bounds of a request.
        key: that requests have to bring, where there is one.
        started: called as soon as requests are answered.
    """
    config = uvicorn.Config(
        application(service, limits, key, hosts=("*",) if key else names_of(bound)),
        http=Connection,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=math.ceil(limits.seconds + LEAVING) + 1,
    )
    server = Server(config, service, limits, started)
    before = signal.getsignal(signal.SIGHUP)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, server.handle_exit)
    try:
        server.run(sockets=[bound])
    finally:
        signal.signal(signal.SIGHUP, before)
    return not server.force_exit


class Server(uvicorn.Server):
    """uvicorn's server, which tells the service at once that it has to stop, and ends without a signal of its own."""

    server_state: State

    def __init__(self, config: uvicorn.Config, service: Service, limits: Limits, started: Callable[[], None]) -> None:
        """Serve with ``config``."""
        super().__init__(config)
        self.server_state = State(limits)
        self._service, self._tell = service, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is there, and end."""
        self.server_state.is_stopping = True
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuse what comes from now on, and stop; a second Ctrl-C does not wait for what was taken."""
        self._service.stop()
        self.force_exit = self.force_exit or (self.should_exit and sig == signal.SIGINT)
        self.should_exit = True
