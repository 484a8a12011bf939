"""One answer as it is generated, in server-sent events: its text in parts, then all that it says or what went wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import weakref
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.answers.http_server.current import Reply
from adapter_workbench.experiments.answers.http_server.messages import answers_of
from adapter_workbench.experiments.answers.http_server.refusals import code_of
from adapter_workbench.workbench.errors import WorkbenchError
from adapter_workbench.workbench.measures.streaming import Words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from concurrent.futures import Future

    from adapter_workbench.experiments.answers.http_server.current import Job
    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.service import Service

EVENTS = "text/event-stream"
STREAMS: dict[int | str, dict[str, Any]] = {HTTPStatus.OK.value: {"content": {EVENTS: {}}}}
TEXT, ANSWERS, ERROR = "text", "answers", "error"  # names of events
FAULT = "the work failed; the server's log says why"


@dataclass(frozen=True)
class Failed:
    """Why there is no answer."""

    code: int  # with which the same request is answered without a stream
    what: str  # the message


def answer_parts(service: Service, job: Job, limits: Limits) -> AsyncIterator[str | Reply | Failed]:
    """Take one text into the queue, and return its answer: parts of its text, and in the end the reply or a failure.

    Raises as :meth:`.Service.submit`. What is still to be generated when nobody asks for parts any more is left out.
    """
    loop, texts = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def put(text: str | None) -> None:
        loop.call_soon_threadsafe(texts.put_nowait, text)

    words = Words(job.current.opened.backbone.tokenizer, put, job.options.stop, job.options.raw)
    options = replace(job.options, hear=words)
    future = service.submit(replace(job, options=options, is_awaited=lambda: words.wanted))
    future.add_done_callback(lambda _: put(None))
    until = loop.time() + limits.seconds

    async def next_text() -> str | None:
        return await asyncio.wait_for(texts.get(), until - loop.time())

    parts = _parts(future, next_text, words, limits)
    weakref.finalize(parts, _give_up, future, words)  # a client may go before anybody asks for the first part
    return parts


async def _parts(
    future: Future[Reply], next_text: Callable[[], Awaitable[str | None]], words: Words, limits: Limits
) -> AsyncIterator[str | Reply | Failed]:
    try:
        while (text := await next_text()) is not None:
            yield text
        yield future.result()
    except TimeoutError:
        yield Failed(HTTPStatus.GATEWAY_TIMEOUT, limits.late)
    except WorkbenchError as error:
        yield Failed(code_of(error), error.what)
    except Exception:
        logging.getLogger("uvicorn.error").exception("a streamed answer failed")
        yield Failed(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT)
    finally:  # the client has all of it, or has gone
        _give_up(future, words)


def _give_up(future: Future[Reply], words: Words) -> None:
    """Drop work that has not begun, and what is still to be generated."""
    future.cancel()
    words.wanted = False


async def answer_events(parts: AsyncIterator[str | Reply | Failed], job: Job) -> AsyncIterator[str]:
    """Return the events of an answer."""
    async for part in parts:
        if isinstance(part, Reply):
            yield _event(ANSWERS, answers_of(part, job.current).model_dump(exclude_unset=True))
        elif isinstance(part, Failed):
            yield _event(ERROR, {"detail": part.what})
        else:
            yield _event(TEXT, {"text": part})


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
