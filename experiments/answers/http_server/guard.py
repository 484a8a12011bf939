"""What stands before the application: who may ask, how large a request may be, and what is counted of each."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.http_server.body import Bodies
from adapter_workbench.experiments.answers.http_server.refusals import STOPPING, refused

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from adapter_workbench.experiments.answers.http_server.admission import Admission
    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.metrics import Metrics


class Guard:
    """Refuses who is not admitted and bodies that are too large; counts everything that is answered."""

    def __init__(
        self, app: ASGIApp, admission: Admission, limits: Limits, metrics: Metrics, paths: Collection[str]
    ) -> None:
        """Stand before ``app``; ``paths`` are those that it has."""
        self._app, self._admission, self._bodies = app, admission, Bodies(limits)
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
            await self._answer(scope, receive, counted)
        except asyncio.CancelledError:  # the server ends and does not wait for this; uvicorn would log a traceback
            if not code:
                await refused(HTTPStatus.SERVICE_UNAVAILABLE, STOPPING)(scope, receive, counted)
        except Exception:
            code = code or HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        finally:
            if code:  # else the client has gone before its whole request was there
                self._metrics.request(self._counted_as(path), int(code), perf_counter() - began)

    def _counted_as(self, path: str) -> str:
        """Return the path of the application that was asked for; one that ends with a name is counted as such."""
        named = (known for known in self._paths if known.endswith("}") and path.startswith(known.partition("{")[0]))
        return path if path in self._paths else next(named, "other")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if refusal := self._admission.refusal(scope):
            await refusal(scope, receive, send)
            return
        with self._bodies.counting() as body:
            if refusal := await self._bodies.read(body, receive):
                await refusal(scope, receive, send)
                return
            if not body.is_whole:
                return
            whole: list[Message] = [{"type": "http.request", "body": bytes(body.content), "more_body": False}]
            body.content.clear()  # it counts on: the application has it now

            async def again() -> Message:
                return whole.pop() if whole else await receive()

            await self._app(scope, again, send)
