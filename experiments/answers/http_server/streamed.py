"""One answer in server-sent events: its text as it is generated, then all that an answer says, or what went wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.answers.http_server.messages import answers_of
from workbench.errors import WorkbenchError
from workbench.measures.streaming import Words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from concurrent.futures import Future

    from experiments.answers.http_server.current import Job, Reply
    from experiments.answers.http_server.limits import Limits
    from experiments.answers.http_server.service import Service

EVENTS = "text/event-stream"
TEXT, ANSWERS, ERROR = "text", "answers", "error"  # names of events
FAULT = "the work failed; the server's log says why"


def answer_events(service: Service, job: Job, limits: Limits) -> AsyncIterator[str]:
    """Take one text into the queue, and return the events of its answer; raises as :meth:`.Service.submit`."""
    loop, texts = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def put(text: str | None) -> None:
        loop.call_soon_threadsafe(texts.put_nowait, text)

    words = Words(job.current.opened.backbone.tokenizer, put)
    future = service.submit(replace(job, hear=words))
    future.add_done_callback(lambda _: put(None))
    until = loop.time() + limits.seconds

    async def next_text() -> str | None:
        return await asyncio.wait_for(texts.get(), until - loop.time())

    return _events(future, next_text, job, limits)


async def _events(
    future: Future[Reply], next_text: Callable[[], Awaitable[str | None]], job: Job, limits: Limits
) -> AsyncIterator[str]:
    try:
        while (text := await next_text()) is not None:
            yield _event(TEXT, {"text": text})
        answers = answers_of(future.result(), job.current)
        yield _event(ANSWERS, answers.model_dump(exclude_unset=True))
    except TimeoutError:
        yield _event(ERROR, {"detail": limits.late})
    except WorkbenchError as error:
        yield _event(ERROR, {"detail": error.what})
    except Exception:
        logging.getLogger("uvicorn.error").exception("a streamed answer failed")
        yield _event(ERROR, {"detail": FAULT})
    finally:
        future.cancel()  # if the client has gone, work that has not begun is dropped


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
