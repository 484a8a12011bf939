"""A reply as a whole, within the time that a request may take."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from http import HTTPStatus
from threading import Event
from typing import TYPE_CHECKING

from fastapi import HTTPException

if TYPE_CHECKING:
    from experiments.answers.http_server.current import Job, Reply
    from experiments.answers.http_server.limits import Limits
    from experiments.answers.http_server.service import Service


async def reply_to(service: Service, job: Job, limits: Limits) -> Reply:
    """Return the reply to texts, once it is there; of answers that come too late, the rest is not generated.

    Raises:
        BusyError: the queue is full.
        StoppedError: the service is stopping.
        HTTPException: it takes too long.
    """
    given_up = Event()
    options = replace(job.options, hear=lambda _: not given_up.is_set())
    future = service.submit(replace(job, options=options, is_awaited=lambda: not given_up.is_set()))
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), limits.seconds)
    except TimeoutError:
        raise HTTPException(HTTPStatus.GATEWAY_TIMEOUT, limits.late) from None
    finally:
        given_up.set()
