"""The HTTP application: its paths, and what stands before them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from importlib.metadata import version
from time import perf_counter
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute

from adapter_workbench.experiments.answers.http_server.address import ANYONE
from adapter_workbench.experiments.answers.http_server.admission import Admission, too_large
from adapter_workbench.experiments.answers.http_server.chat import add_chat
from adapter_workbench.experiments.answers.http_server.completions import add_completions
from adapter_workbench.experiments.answers.http_server.description import describe
from adapter_workbench.experiments.answers.http_server.errors import JSON, add_errors
from adapter_workbench.experiments.answers.http_server.list_lengths import lists_within
from adapter_workbench.experiments.answers.http_server.messages import (
    Adapters,
    Answers,
    Question,
    Reloaded,
    State,
    Welcome,
    adapters_of,
    answers_of,
)
from adapter_workbench.experiments.answers.http_server.metrics import MEDIA_TYPE
from adapter_workbench.experiments.answers.http_server.models import add_models
from adapter_workbench.experiments.answers.http_server.refusals import STOPPING, refused
from adapter_workbench.experiments.answers.http_server.replying import job_of, reply_to
from adapter_workbench.experiments.answers.http_server.streamed import EVENTS, STREAMS, answer_events, answer_parts
from adapter_workbench.workbench.errors import WorkbenchError
from adapter_workbench.workbench.machine.package_versions import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from fastapi.responses import JSONResponse
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.metrics import Metrics
    from adapter_workbench.experiments.answers.http_server.service import Service

TITLE = "Adapter Workbench"
OPENAPI = "/openapi.json"
SMALL = 65_536  # bytes; so many of each body do not count: large ones never keep small ones out


def application(service: Service, limits: Limits, key: bytes | None = None, hosts: Sequence[str] = ANYONE) -> FastAPI:
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

    # no docs_url, no redoc_url: the scripts of those pages come from elsewhere
    app = FastAPI(title=TITLE, version=version(DISTRIBUTION), docs_url=None, redoc_url=None, lifespan=lifespan)
    _add_answers(app, service, limits)
    add_chat(app, service, limits)
    add_completions(app, service, limits)
    add_models(app, service)
    _add_state(app, service)
    add_errors(app)
    add_welcome(app, service)
    describe(app, service, wants_key=key is not None)
    known = {path.partition(" ")[2] for path in paths_of(app)}
    admission = Admission(key, hosts, limits.bytes)
    app.add_middleware(Guard, admission=admission, limits=limits, metrics=service.metrics, paths=known)
    return app


def _add_answers(app: FastAPI, service: Service, limits: Limits) -> None:
    short = [Depends(lists_within(limits))]

    @app.post(
        "/predict", response_model=Answers, response_model_exclude_unset=True, responses=STREAMS, dependencies=short
    )
    async def predict(question: Question, request: Request) -> Answers | Response:
        """Answer texts; with `stream`, one text in server-sent events: text, …, and in the end answers or error."""
        _require_within(limits, question)
        asked = question.inputs, question.task, question.adapter
        job = await job_of(service, lambda current: current.job_for(*asked))
        if question.stream:
            return StreamingResponse(answer_events(answer_parts(service, job, limits), job), media_type=EVENTS)
        return answers_of(await reply_to(service, job, limits, request), job.current)

    @app.get("/adapters")
    async def adapters() -> Adapters:
        """Tell which adapters are served."""
        return adapters_of(service.current, service.router)

    @app.post("/reload")
    async def reload() -> Reloaded:
        """Look for new and removed adapters; requests are answered meanwhile."""
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

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:  # not async: of thousands of adapters it takes a second, in which others are answered
        """Tell what was counted and measured, for Prometheus."""
        return Response(service.metrics.page(), media_type=MEDIA_TYPE)


def _require_within(limits: Limits, question: Question) -> None:
    longest = max(len(text) if isinstance(text, str) else sum(map(len, text)) for text in question.inputs)
    if longest > limits.characters:
        message = f"one text may have {limits.characters:,} characters, and the longest here has {longest:,}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)


# The first page: what this server is, and where to look.


def paths_of(app: FastAPI) -> dict[str, str]:
    """Return each path that can be asked, after its method, and what it is for."""
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    paths = {
        f"{method} {route.path_format}": route.description for route in routes for method in sorted(route.methods or ())
    }
    return paths | {f"GET {OPENAPI}": "All of it as an OpenAPI document."}


def add_welcome(app: FastAPI, service: Service) -> None:
    """Answer on ``/``, after all other paths were added."""
    paths = paths_of(app)

    @app.get("/", responses={HTTPStatus.OK.value: {"model": Welcome}})
    async def welcome(request: Request) -> Response:
        """Tell what this is, and where to look."""
        current = service.current
        task = next(iter(sorted(current.by_task)), "TASK")
        request_body = f'{{"texts": ["…"], "task": "{task}"}}'
        page = Welcome(
            name=app.title,
            version=app.version,
            backbone=current.opened.backbone.name,
            router=service.router,
            tasks=sorted(current.by_task),
            paths=paths,
            example=f"curl {request.base_url}predict -H 'Content-Type: {JSON}' -d '{request_body}'",
        )
        return Response(page.model_dump_json(indent=2), media_type=JSON)  # indented: people read it in a browser


# What stands before the application: who may ask, how large a request may be, and what is counted of each.


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


# Bodies of requests: read whole, before anything is done with them, and bounded by themselves and together.


class Bodies:
    """How many bytes of large bodies are in memory.

    A body counts from its first byte after ``SMALL`` until its request is answered.
    """

    def __init__(self, limits: Limits) -> None:
        """Count from zero."""
        self._limits, self._held = limits, 0

    @contextmanager
    def counting(self) -> Iterator[Body]:
        """Yield an empty body; what it comes to hold no longer counts afterwards."""
        body = Body()
        try:
            yield body
        finally:
            self._held -= body.counted

    async def read(self, body: Body, receive: Receive) -> JSONResponse | None:
        """Read a body whole.

        Returns:
            None, or why it was refused; in ``body.is_whole`` whether all of it is there: a client may have gone.
        """
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body.content += message.get("body", b"")
            if len(body.content) > self._limits.bytes:
                return too_large(self._limits.bytes)
            more = max(len(body.content) - SMALL, 0) - body.counted
            body.counted += more
            self._held += more
            if more and self._held > self._limits.bytes_at_once:
                reason = "too many large requests are here at once; send it again, or in parts"
                return refused(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": "5"})
            if not message.get("more_body", False):
                body.is_whole = True
                return None


class Body:
    """A body on its way: what is there of it, how much of that counts, and whether it is all."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.content, self.counted, self.is_whole = bytearray(), 0, False
