"""A reply as a whole, within the time that a request may take."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import HTTPException

if TYPE_CHECKING:
    from experiments.answers.http_server.current import Job, Reply
    from experiments.answers.http_server.limits import Limits
    from experiments.answers.http_server.service import Service


async def reply_to(service: Service, job: Job, limits: Limits) -> Reply:
    """Return the reply to texts, once it is there.

    Raises:
        BusyError: the queue is full.
        StoppedError: the service is stopping.
        HTTPException: it takes too long.
    """
    try:
        return await asyncio.wait_for(asyncio.wrap_future(service.submit(job)), limits.seconds)
    except TimeoutError:
        raise HTTPException(HTTPStatus.GATEWAY_TIMEOUT, limits.late) from None
