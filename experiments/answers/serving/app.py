"""The HTTP application: each path, and what becomes of errors."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException as StarletteError

from experiments.answers.serving.guard import Guard, refused
from experiments.answers.serving.messages import (
    Adapters,
    Answers,
    Question,
    Reloaded,
    State,
    adapters_of,
    answers_of,
)
from experiments.answers.serving.metrics import MEDIA_TYPE
from experiments.answers.serving.streamed import EVENTS, FAULT, streamed
from workbench.errors import BusyError, InputError, StoppedError, UnknownNameError, WorkbenchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from experiments.answers.serving.limits import Limits
    from experiments.answers.serving.service import Service

TITLE = "Adapter Workbench"
JSON = "application/json"
PATHS = ("/predict", "/adapters", "/reload", "/health", "/ready", "/metrics", "/openapi.json")
CODES: dict[type[WorkbenchError], HTTPStatus] = {
    BusyError: HTTPStatus.TOO_MANY_REQUESTS,
    StoppedError: HTTPStatus.SERVICE_UNAVAILABLE,
    UnknownNameError: HTTPStatus.NOT_FOUND,
    InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
}
AGAIN = {HTTPStatus.TOO_MANY_REQUESTS: "1", HTTPStatus.SERVICE_UNAVAILABLE: "5"}  # seconds to wait


def application(service: Service, limits: Limits, key: bytes | None = None, hosts: Sequence[str] = ("*",)) -> FastAPI:
    """Return the application over ``service``, which is closed when it ends.

    Args:
        service: what answers.
        limits: bounds of a request.
        key: what every request but those for ``/health`` and ``/ready`` has to bring; None where none is needed.
        hosts: what requests may call this server; others get 400.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, lifespan=lifespan)  # those pages come from elsewhere
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*hosts], www_redirect=False)
    app.add_middleware(Guard, key=key, most_bytes=limits.bytes, metrics=service.metrics, paths=PATHS)
    _add_answers(app, service, limits)
    _add_state(app, service)
    _add_errors(app)
    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(WorkbenchError)
    async def known_error(_: Request, error: WorkbenchError) -> Response:
        code = next((code for kind, code in CODES.items() if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
        names = f". {error.hint}" if isinstance(error, UnknownNameError) else ""  # other hints are about commands
        refusal = refused(code, f"{error.what}{names}")
        if code in AGAIN:
            refusal.headers["Retry-After"] = AGAIN[code]
        return refusal

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        if not request.headers.get("content-type", "").startswith(JSON):
            return refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"send JSON, and say so: Content-Type: {JSON}")
        first = error.errors()[0]  # without the input that it quotes
        where = ".".join(str(part) for part in first["loc"][1:])
        return refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}" if where else first["msg"])

    @app.exception_handler(StarletteError)
    async def unreadable(request: Request, error: StarletteError) -> Response:
        if error.status_code == HTTPStatus.BAD_REQUEST:  # fastapi raises it where a body cannot be read at all
            return refused(HTTPStatus.UNPROCESSABLE_ENTITY, "the body is not JSON in UTF-8, or is nested too deeply")
        return await http_exception_handler(request, error)

    @app.exception_handler(Exception)  # it is raised further, and logged with its traceback
    async def failed(_: Request, error: Exception) -> Response:
        return refused(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT)


def _add_answers(app: FastAPI, service: Service, limits: Limits) -> None:
    streams: dict[int | str, dict[str, Any]] = {HTTPStatus.OK.value: {"content": {EVENTS: {}}}}

    @app.post("/predict", response_model=Answers, response_model_exclude_unset=True, responses=streams)
    async def predict(question: Question) -> Answers | Response:
        """Answer texts; with ``stream``, one text in server-sent events: text, …, and in the end answers or error."""
        _require_within(limits, question)
        if service.is_stopping:
            raise StoppedError("the server is stopping")
        asked = await run_in_threadpool(service.current.asked, question.asked, question.task, question.adapter)
        if question.stream:
            return StreamingResponse(streamed(service, asked, limits), media_type=EVENTS)
        try:
            reply = await asyncio.wait_for(asyncio.wrap_future(service.submit(asked)), limits.seconds)
        except TimeoutError:
            raise HTTPException(HTTPStatus.GATEWAY_TIMEOUT, limits.late) from None
        return answers_of(reply, asked.current)

    @app.get("/adapters")
    async def adapters() -> Adapters:
        """Tell which adapters are served."""
        return adapters_of(service.current, service.router)

    @app.post("/reload")
    async def reload() -> Reloaded:
        """Look again which adapters are to be served; requests go on being answered."""
        try:
            changes = await run_in_threadpool(service.reload)
        except WorkbenchError as error:
            where = f"{error.where}: " if error.where else ""
            raise HTTPException(HTTPStatus.CONFLICT, f"nothing was changed: {where}{error.what}") from None
        return Reloaded(added=changes.added, removed=changes.removed, tasks=changes.tasks)


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/health")
    async def health(response: Response) -> State:
        """Tell whether the server works; if not, it has to be started again."""
        if not service.is_alive:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return State(status="ok" if service.is_alive else "the thread that computes has ended")

    @app.get("/ready")
    async def ready(response: Response) -> State:
        """Tell whether requests are taken."""
        if service.is_stopping:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return State(status="stopping" if service.is_stopping else "ready")

    @app.get("/metrics")
    async def metrics() -> Response:
        """Tell what was counted and measured, for Prometheus."""
        return Response(service.metrics.page(), media_type=MEDIA_TYPE)


def _require_within(limits: Limits, question: Question) -> None:
    if len(question.texts) > limits.texts:
        message = f"{len(question.texts)} texts are more than one request may have: {limits.texts}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    longest = max(len(text) if isinstance(text, str) else sum(map(len, text)) for text in question.asked)
    if longest > limits.characters:
        message = f"a text of {longest:,} characters is longer than one may be: {limits.characters:,}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
