"""An answer as OpenAI's interface says it, and the events of a streamed one."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from adapter_workbench.experiments.answers.http_server.current import Reply
from adapter_workbench.experiments.answers.http_server.openai_fields import Usage
from adapter_workbench.experiments.answers.http_server.refusals import openai_error
from adapter_workbench.experiments.answers.http_server.streamed import Failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from adapter_workbench.experiments.answers.http_server.current import Job
    from adapter_workbench.experiments.answers.http_server.openai_fields import Reason
    from adapter_workbench.workbench.answering.predictor import Answer

DONE = "data: [DONE]\n\n"
CHANGED = "the answer had to be written again, and became another answer than the one that was sent; ask again"

Choice = dict[str, Any]


def head_of(job: Job, kind: str) -> dict[str, Any]:
    """Return what each part of an answer to ``job`` says; its id begins with ``kind``."""
    return {"id": f"{kind}-{uuid4().hex}", "created": int(time.time()), "model": job.adapter}


async def openai_events(
    parts: AsyncIterator[str | Reply | Failed],
    head: dict[str, Any],
    choice: Callable[[str | None, Reason | None], Choice],
    with_usage: bool,
    first: Sequence[Choice] = (),
) -> AsyncIterator[str]:
    """Return the events of a streamed answer; what is wrong is an event too, in place of the end.

    Args:
        parts: of :func:`.answer_parts`.
        head: what every event says.
        choice: a part of the answer, or why it has ended → how that is said.
        with_usage: whether the last event but one has the number of tokens.
        first: said before the answer.
    """
    written = ""
    for opening in first:
        yield _event({**head, "choices": [opening]})
    async for part in parts:
        if isinstance(part, Failed):
            yield _event(openai_error(part.code, part.what))
        elif isinstance(part, Reply):
            (answer,) = part.answers
            if not answer.words.startswith(written):
                yield _event(openai_error(HTTPStatus.INTERNAL_SERVER_ERROR, CHANGED))
                break
            if rest := answer.words[len(written) :]:
                yield _event({**head, "choices": [choice(rest, None)]})
            yield _event({**head, "choices": [choice(None, reason_of(answer))]})
            if with_usage:
                usage = usage_of([answer])
                yield _event({**head, "choices": [], "usage": usage and usage.model_dump()})
        else:
            written += part
            yield _event({**head, "choices": [choice(part, None)]})
    yield DONE


def reason_of(answer: Answer) -> Reason:
    """Return why an answer has ended."""
    return "stop" if answer.written is None or answer.written.complete else "length"


def usage_of(answers: Sequence[Answer]) -> Usage | None:
    """Return how many tokens were read and written; None where answers are not generated."""
    efforts = [answer.written for answer in answers if answer.written]
    if len(efforts) < len(answers):
        return None
    read, new = sum(effort.read for effort in efforts), sum(effort.new for effort in efforts)
    return Usage(prompt_tokens=read, completion_tokens=new, total_tokens=read + new)


def _event(data: object) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
