"""The HTTP application: its paths."""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse

from adapter_workbench.experiments.answers.http_server.address import ANYONE
from adapter_workbench.experiments.answers.http_server.admission import Admission
from adapter_workbench.experiments.answers.http_server.chat import add_chat
from adapter_workbench.experiments.answers.http_server.completions import add_completions
from adapter_workbench.experiments.answers.http_server.description import describe
from adapter_workbench.experiments.answers.http_server.errors import add_errors
from adapter_workbench.experiments.answers.http_server.guard import Guard
from adapter_workbench.experiments.answers.http_server.list_lengths import lists_within
from adapter_workbench.experiments.answers.http_server.messages import (
    Adapters,
    Answers,
    Question,
    Reloaded,
    State,
    adapters_of,
    answers_of,
)
from adapter_workbench.experiments.answers.http_server.metrics import MEDIA_TYPE
from adapter_workbench.experiments.answers.http_server.models import add_models
from adapter_workbench.experiments.answers.http_server.replying import job_of, reply_to
from adapter_workbench.experiments.answers.http_server.streamed import EVENTS, STREAMS, answer_events, answer_parts
from adapter_workbench.experiments.answers.http_server.welcome import add_welcome, paths_of
from adapter_workbench.workbench.errors import WorkbenchError
from adapter_workbench.workbench.machine.package_versions import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.service import Service

TITLE = "Adapter Workbench"


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
