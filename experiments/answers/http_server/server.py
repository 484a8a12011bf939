"""The server: its socket, its start and its end."""

from __future__ import annotations

import math
import resource
import signal
import socket
from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from adapter_workbench.experiments.answers.http_server.address import names_of
from adapter_workbench.experiments.answers.http_server.app import application
from adapter_workbench.experiments.answers.http_server.refusals import OPENAI, STOPPING, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.service import Service

LEAVING = 3.0  # seconds in which an answer has to be taken once the server stops
UNFINISHED = (h11.IDLE, h11.SEND_BODY)  # states of a client that has yet to send a request, or the rest of one
UNANSWERED = (h11.IDLE, h11.SEND_RESPONSE)  # states of a server that has sent nothing of a response


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


# A connection: uvicorn's, with bounds on what a client can hold that sends or takes nothing, or ever so slowly.
#
# uvicorn waits without end for a request to be complete, and for an answer to be taken.


class State(ServerState):
    """What the connections of a server share.

    Attributes:
        limits: bounds of requests and connections.
        waiting: the connections that wait for a request or the rest of one, the longest first.
        is_stopping: whether only what was taken is still answered.
    """

    def __init__(self, limits: Limits) -> None:
        """Begin without connections."""
        super().__init__()
        self.limits, self.is_stopping = limits, False
        self.waiting: dict[Connection, None] = {}
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = limits.connections if files == resource.RLIM_INFINITY else min(limits.connections, files // 2)

    def make_room(self) -> bool:
        """Close the connection that has waited longest for a request; return whether there was one."""
        oldest = next(iter(self.waiting), None)
        if oldest:
            oldest.give_up(HTTPStatus.SERVICE_UNAVAILABLE, "the connection was needed for another request")
        return oldest is not None


class Connection(H11Protocol):
    """One connection over HTTP/1.1."""

    server_state: State

    def __init__(self, config: Any, server_state: State, app_state: dict[str, Any], _loop: Any = None) -> None:
        """Begin as uvicorn's does."""
        super().__init__(config, server_state, app_state, _loop)
        self._patience = server_state.limits.arrival
        self._arriving: TimerHandle | None = None
        self._taking: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Wait for a request; where too many connections are open, another one is closed, or this one."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # else only large answers that nobody takes are heard of
        if self.server_state.is_stopping:
            transport.close()
        elif len(self.connections) > self.server_state.most and not self.server_state.make_room():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "no connection is left; try again")
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._stop_waiting()
        self._all_was_taken()

    def pause_writing(self) -> None:
        """Wait until the client takes what was sent; then it is cut off."""
        super().pause_writing()
        self._taking = self._taking or self.loop.call_later(self._patience, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has taken everything."""
        super().resume_writing()
        self._all_was_taken()

    def shutdown(self) -> None:
        """Finish the request that was taken; wait for no other."""
        self._patience = LEAVING
        if self._taking:
            self._taking.cancel()
            self._taking = self.loop.call_later(LEAVING, self.transport.abort)
        if self._arriving:
            self.give_up(HTTPStatus.SERVICE_UNAVAILABLE, STOPPING)
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Say in the form of all refusals that this is not HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1, or its header is too long")

    def give_up(self, code: HTTPStatus, what: str) -> None:
        """Close a connection that waits; say why if a part of a request has come."""
        if self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]:
            self._refuse(code, what)
        else:
            self._close()

    def _watch(self) -> None:
        """Begin to wait for the rest of a request, or cease to."""
        if self.conn.their_state not in UNFINISHED or self.transport.is_closing():
            self._stop_waiting()
        elif not self._arriving:
            self._arriving = self.loop.call_later(self._patience, self._late)
            self.server_state.waiting[self] = None

    def _stop_waiting(self) -> None:
        if self._arriving:
            self._arriving.cancel()
            self._arriving = None
        self.server_state.waiting.pop(self, None)

    def _all_was_taken(self) -> None:
        if self._taking:
            self._taking.cancel()
            self._taking = None

    def _late(self) -> None:
        self.give_up(HTTPStatus.REQUEST_TIMEOUT, self.server_state.limits.unfinished)

    def _refuse(self, code: HTTPStatus, what: str) -> None:
        """Close the connection with a refusal, unless a response has begun."""
        if self.conn.our_state in UNANSWERED:
            is_asked = self.conn.our_state is h11.SEND_RESPONSE  # before, the path is none or the last request's
            refusal = refused(code, what)
            response = refusal.for_openai() if is_asked and self.scope["path"].startswith(OPENAI) else refusal
            lines = [b"HTTP/1.1 %d %s" % (code, code.phrase.encode()), b"connection: close"]
            lines += [name + b": " + value for name, value in response.raw_headers]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self._close()

    def _close(self) -> None:
        self._stop_waiting()
        if self.cycle:  # what answers its request, or waits for it, ends
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


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
