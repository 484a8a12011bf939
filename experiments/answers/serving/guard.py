"""What stands before the application: who may ask, how large a request may be, and what is counted of each."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from experiments.answers.serving.metrics import Metrics

OPEN = {"/health", "/ready"}  # asked by who watches over processes, and tell nothing


class Guard:
    """Refuses requests without the key and bodies that are too large; counts everything that is answered."""

    def __init__(
        self, app: ASGIApp, key: bytes | None, most_bytes: int, metrics: Metrics, paths: Collection[str]
    ) -> None:
        """Stand before ``app``; ``paths`` are those that it has."""
        self._app, self._key, self._most_bytes = app, key, most_bytes
        self._metrics, self._paths = metrics, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, began, code = scope["path"], perf_counter(), 0

        async def counted(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self._admitted(scope, receive, counted)
        except Exception:
            code = code or HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        finally:
            if code:  # else the client has gone before its whole request was there
                self._metrics.request(path if path in self._paths else "other", int(code), perf_counter() - began)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._key is not None and scope["path"] not in OPEN and not _has(scope, self._key):
            refusal = refused(HTTPStatus.UNAUTHORIZED, "the key is missing or wrong: Authorization: Bearer KEY")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            await refusal(scope, receive, send)
            return
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most_bytes:
                reason = f"the request has more than {self._most_bytes:,} bytes"
                await refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)(scope, receive, send)
                return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, again, send)


def refused(code: int, what: str) -> JSONResponse:
    """Return a refusal: the message is its ``detail``."""
    return JSONResponse({"detail": what}, code)


def _has(scope: Scope, key: bytes) -> bool:
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, credentials = given.partition(b" ")
    return hmac.compare_digest(credentials.strip(), key) and scheme.lower() == b"bearer"
