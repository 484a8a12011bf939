"""Chat completions as OpenAI's interface has them: the model is an adapter, and clients made for it can ask."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from adapter_workbench.experiments.answers.http_server.chat_messages import Chat, Choice, Completion, Said
from adapter_workbench.experiments.answers.http_server.list_lengths import lists_within
from adapter_workbench.experiments.answers.http_server.models import model_owner
from adapter_workbench.experiments.answers.http_server.openai_events import head_of, openai_events, reason_of, usage_of
from adapter_workbench.experiments.answers.http_server.replying import job_of, reply_to
from adapter_workbench.experiments.answers.http_server.streamed import EVENTS, STREAMS, answer_parts
from adapter_workbench.workbench.backbone.answer_options import AnswerOptions
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from typing import Any

    from fastapi import FastAPI

    from adapter_workbench.experiments.answers.http_server.current import Current, Job
    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.openai_fields import Reason
    from adapter_workbench.experiments.answers.http_server.service import Service


def add_chat(app: FastAPI, service: Service, limits: Limits) -> None:
    """Answer chat completions."""
    short = [Depends(lists_within(limits))]

    @app.post("/v1/chat/completions", response_model=Completion, responses=STREAMS, dependencies=short)
    async def chat_completions(chat: Chat, request: Request) -> Completion | Response:
        """Answer the last message of a chat, as OpenAI's interface does: the model is a task or an adapter."""
        _require_within(limits, chat)
        job = await job_of(service, lambda current: _job(current, chat))
        head = head_of(job, "chatcmpl")
        if chat.stream:
            parts, first = answer_parts(service, job, limits), [_delta({"role": "assistant", "content": ""})]
            head |= {"object": "chat.completion.chunk"}
            return StreamingResponse(openai_events(parts, head, _choice, chat.with_usage, first), media_type=EVENTS)
        (answer,) = answers = (await reply_to(service, job, limits, request)).answers
        choice = Choice(message=Said(content=answer.words), finish_reason=reason_of(answer))
        return Completion(**head, choices=[choice], usage=usage_of(answers))


def _job(current: Current, chat: Chat) -> Job:
    """Return what answers the last message of a chat; raises as :func:`model_owner` and :meth:`.Current.job_for`."""
    owner = model_owner(current, chat.model)
    earlier = tuple({"role": turn.speaker, "content": turn.text} for turn in chat.messages[:-1])
    job = current.job_for([chat.messages[-1].text], None, owner, AnswerOptions(chat.most_tokens, chat.stops, earlier))
    answering = current.opened.adapters[owner].manifest.task
    if earlier and answering.kind not in GENERATED:
        raise InputError(f"{answering.name} answers one text ({answering.kind}): send one message, of the user")
    return job


def _choice(part: str | None, reason: Reason | None) -> dict[str, Any]:
    return _delta({} if part is None else {"content": part}, reason)


def _delta(delta: dict[str, str], reason: Reason | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": reason}


def _require_within(limits: Limits, chat: Chat) -> None:
    """Refuse a chat that is longer than a text may be; its turns, and where it stops, count together."""
    characters = sum(map(len, [*(message.text for message in chat.messages), *chat.stops]))
    if characters > limits.characters:
        message = f"a chat may have {limits.characters:,} characters, and this one has {characters:,}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
