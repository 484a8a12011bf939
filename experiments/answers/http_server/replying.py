"""The job of a request, and its reply as a whole: within the time of a request, and as long as its client is there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from http import HTTPStatus
from threading import Event
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from fastapi.concurrency import run_in_threadpool

from adapter_workbench.experiments.answers.http_server.refusals import STOPPING
from adapter_workbench.workbench.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request

    from adapter_workbench.experiments.answers.http_server.current import Current, Job, Reply
    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.service import Service

CLIENT_GONE = 499  # nginx's code, in logs and metrics; nobody gets it


async def job_of(service: Service, make: Callable[[Current], Job]) -> Job:
    """Return the job that ``make`` makes of a request and of what is served now, in a thread.

    Raises:
        StoppedError: the service is stopping.
        WorkbenchError: as ``make``.
    """
    if service.is_stopping:
        raise StoppedError(STOPPING)
    return await run_in_threadpool(make, service.current)


async def reply_to(service: Service, job: Job, limits: Limits, request: Request, until: float | None = None) -> Reply:
    """Return the reply to texts, once it is there; if it comes too late or the client goes, the rest is not generated.

    ``until`` is a moment of the event loop's clock, where the request has been worked on before.

    Raises:
        BusyError: the queue is full.
        StoppedError: the service is stopping.
        HTTPException: it takes too long, or the client has gone.
    """
    given_up = Event()
    options = replace(job.options, hear=lambda _: not given_up.is_set())
    future = service.submit(replace(job, options=options, is_awaited=lambda: not given_up.is_set()))
    reply, gone = asyncio.wrap_future(future), asyncio.ensure_future(_departure(request))
    either: set[asyncio.Future[Any]] = {reply, gone}
    try:
        seconds = limits.seconds if until is None else max(until - asyncio.get_running_loop().time(), 0)
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if reply.done():
            return reply.result()
        if gone.done():
            raise HTTPException(CLIENT_GONE, "the client has gone")
        raise HTTPException(HTTPStatus.GATEWAY_TIMEOUT, limits.late)
    finally:
        given_up.set()
        reply.cancel()  # what has not begun is dropped
        gone.cancel()


async def _departure(request: Request) -> None:
    """Return when the client of a request whose body was read has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
