"""Chat completions as OpenAI's interface has them: the model is an adapter, and clients made for it can ask."""

from __future__ import annotations

import json
import time
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from fastapi import Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from experiments.answers.http_server.chat_messages import Chat, Choice, Completion, Model, Models, Said, Usage
from experiments.answers.http_server.current import Reply
from experiments.answers.http_server.list_lengths import lists_within
from experiments.answers.http_server.refusals import STOPPING, openai_error
from experiments.answers.http_server.replying import reply_to
from experiments.answers.http_server.streamed import EVENTS, Failed, answer_parts
from workbench.backbone.answer_options import AnswerOptions
from workbench.errors import InputError, StoppedError, UnknownNameError
from workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from fastapi import FastAPI

    from experiments.answers.http_server.chat_messages import Reason
    from experiments.answers.http_server.current import Current, Job
    from experiments.answers.http_server.limits import Limits
    from experiments.answers.http_server.service import Service
    from workbench.answering.predictor import Answer

DONE = "data: [DONE]\n\n"
CHANGED = "the answer had to be written again, and became another answer than the one that was sent; ask again"


def add_chat(app: FastAPI, service: Service, limits: Limits) -> None:
    """Answer chat completions, and list the models that can be asked."""
    streams: dict[int | str, dict[str, Any]] = {HTTPStatus.OK.value: {"content": {EVENTS: {}}}}

    short = [Depends(lists_within(limits))]

    @app.post("/v1/chat/completions", response_model=Completion, responses=streams, dependencies=short)
    async def chat_completions(chat: Chat, request: Request) -> Completion | Response:
        """Answer the last message of a chat, as OpenAI's interface does: the model is a task or an adapter."""
        _require_within(limits, chat)
        if service.is_stopping:
            raise StoppedError(STOPPING)
        job = await run_in_threadpool(_job, service.current, chat)
        if chat.stream:
            with_usage = chat.stream_options is not None and chat.stream_options.include_usage
            parts = answer_parts(service, job, limits)
            return StreamingResponse(_chunks(parts, job, with_usage), media_type=EVENTS)
        (answer,) = (await reply_to(service, job, limits, request)).answers
        choice = Choice(message=Said(content=answer.words), finish_reason=_reason(answer))
        return Completion(**_head(job), choices=[choice], usage=_usage(answer))

    @app.get("/v1/models")
    async def models() -> Models:
        """Tell which models can be asked: each adapter by its id, and by its task where it answers for that."""
        return Models(data=_models(service.current))


def _job(current: Current, chat: Chat) -> Job:
    """Return what answers the last message of a chat; raises as :meth:`.Current.job_for`."""
    task = chat.model if chat.model in current.by_task else None
    earlier = tuple({"role": turn.role, "content": turn.text} for turn in chat.messages[:-1])
    options = AnswerOptions(chat.most_tokens, chat.stops, earlier)
    try:
        job = current.job_for([chat.messages[-1].text], task, None if task else chat.model, options)
    except UnknownNameError:
        models = [model.id for model in _models(current)]
        raise UnknownNameError("model", chat.model, models, also="GET /v1/models lists them.") from None
    answering = current.opened.adapters[job.adapter or ""].manifest.task
    if earlier and answering.kind not in GENERATED:
        raise InputError(f"{answering.name} answers one text ({answering.kind}): send one message, of the user")
    return job


async def _chunks(parts: AsyncIterator[str | Reply | Failed], job: Job, with_usage: bool) -> AsyncIterator[str]:
    """Return the events of a streamed answer; what is wrong is an event too, in place of the ``finish_reason``."""
    head, written = {**_head(job), "object": "chat.completion.chunk"}, ""

    def chunk(delta: dict[str, str], reason: Reason | None = None) -> str:
        return _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    yield chunk({"role": "assistant", "content": ""})
    async for part in parts:
        if isinstance(part, Failed):
            yield _event(openai_error(part.code, part.what))
        elif isinstance(part, Reply):
            (answer,) = part.answers
            if not answer.words.startswith(written):
                yield _event(openai_error(HTTPStatus.INTERNAL_SERVER_ERROR, CHANGED))
                break
            if rest := answer.words[len(written) :]:
                yield chunk({"content": rest})
            yield chunk({}, _reason(answer))
            if with_usage:
                usage = _usage(answer)
                yield _event({**head, "choices": [], "usage": usage and usage.model_dump()})
        else:
            written += part
            yield chunk({"content": part})
    yield DONE


def _event(data: object) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def _head(job: Job) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": job.adapter}


def _reason(answer: Answer) -> Reason:
    return "stop" if answer.written is None or answer.written.complete else "length"


def _usage(answer: Answer) -> Usage | None:
    if answer.written is None:
        return None
    read, new, _ = answer.written
    return Usage(prompt_tokens=read, completion_tokens=new, total_tokens=read + new)


def _models(current: Current) -> list[Model]:
    backbone = current.opened.backbone.name
    adapters = current.opened.adapters

    def model(name: str, adapter: str) -> Model:
        return Model(id=name, created=_seconds(adapters[adapter].manifest.since), root=adapter, parent=backbone)

    return [model(*named) for named in ({name: name for name in adapters} | dict(current.by_task)).items()]


def _seconds(moment: str) -> int:
    """Return a moment in seconds since 1970; 0 where none is known."""
    try:
        return int(datetime.fromisoformat(moment).timestamp())
    except ValueError:
        return 0


def _require_within(limits: Limits, chat: Chat) -> None:
    """Refuse a chat that is longer than a text may be; its turns, and where it stops, count together."""
    characters = sum(map(len, [*(message.text for message in chat.messages), *chat.stops]))
    if characters > limits.characters:
        message = f"a chat may have {limits.characters:,} characters, and this one has {characters:,}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
