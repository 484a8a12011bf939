"""One answer in server-sent events: its text as it is generated, then all that an answer says, or what went wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.answers.serving.messages import answers_of
from workbench.errors import WorkbenchError
from workbench.measures.streaming import Words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from concurrent.futures import Future

    from experiments.answers.serving.current import Asked, Reply
    from experiments.answers.serving.limits import Limits
    from experiments.answers.serving.service import Service

EVENTS = "text/event-stream"
TEXT, ANSWERS, ERROR = "text", "answers", "error"  # names of events
FAULT = "the work failed; the server's log says why"


def streamed(service: Service, asked: Asked, limits: Limits) -> AsyncIterator[str]:
    """Take one text into the queue, and return the events of its answer; raises as :meth:`.Service.submit`."""
    loop, parts = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def put(part: str | None) -> None:
        loop.call_soon_threadsafe(parts.put_nowait, part)

    words = Words(asked.current.opened.backbone.tokenizer, put)
    future = service.submit(replace(asked, hear=words))
    future.add_done_callback(lambda _: put(None))
    until = loop.time() + limits.seconds

    async def next_part() -> str | None:
        return await asyncio.wait_for(parts.get(), until - loop.time())

    return _events(future, next_part, asked, limits)


async def _events(
    future: Future[Reply], next_part: Callable[[], Awaitable[str | None]], asked: Asked, limits: Limits
) -> AsyncIterator[str]:
    try:
        while (part := await next_part()) is not None:
            yield _event(TEXT, {"text": part})
        answers = answers_of(future.result(), asked.current)
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
