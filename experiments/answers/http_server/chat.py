"""Chat completions as OpenAI's interface has them: the model is an adapter, and clients made for it can ask."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, field_validator, model_validator

from adapter_workbench.experiments.answers.http_server.list_lengths import lists_within
from adapter_workbench.experiments.answers.http_server.messages import SentObject, Words
from adapter_workbench.experiments.answers.http_server.models import model_owner
from adapter_workbench.experiments.answers.http_server.openai_events import head_of, openai_events, reason_of, usage_of
from adapter_workbench.experiments.answers.http_server.openai_fields import (
    NoList,
    NoObject,
    Off,
    OpenAIRequest,
    Reason,
    Usage,
)
from adapter_workbench.experiments.answers.http_server.replying import job_of, reply_to
from adapter_workbench.experiments.answers.http_server.streamed import EVENTS, STREAMS, answer_parts
from adapter_workbench.workbench.backbone.answer_options import AnswerOptions
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from fastapi import FastAPI

    from adapter_workbench.experiments.answers.http_server.current import Current, Job
    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.service import Service

FORMAT = 'answers are not held to a form: it has to be {"type": "text"} or left out'


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


# What OpenAI's chat completions look like: requests and responses.


class Part(SentObject):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: Words


class ChatMessage(SentObject):
    """A turn of a chat; what else an assistant's turn has in a response is empty here."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Words | Annotated[list[Part], Field(fail_fast=True)]
    name: None = None
    refusal: None = None
    annotations: NoList | None = None
    audio: None = None
    function_call: None = None
    tool_calls: NoList | None = None

    @property
    def text(self) -> str:
        """The turn's text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)

    @property
    def speaker(self) -> str:
        """The turn's role as chat templates know it."""
        return "system" if self.role == "developer" else self.role


class TextFormat(SentObject):
    """The only form that an answer has."""

    type: Literal["text"]


class Chat(OpenAIRequest):
    """A chat, the adapter that answers its last message, and how long the answer may get.

    Answers are always the most likely ones, token by token. What asks for others is refused, and so is what asks for
    anything else that is not done; fields whose value asks for nothing are accepted.
    """

    messages: list[ChatMessage] = Field(min_length=1, fail_fast=True)
    max_tokens: int | None = Field(None, ge=1, description="The answer is never longer than its task allows.")
    max_completion_tokens: int | None = Field(None, ge=1, description="As max_tokens.")
    audio: None = None
    function_call: Literal["none", "auto"] | None = None
    functions: NoList | None = None
    logprobs: Off | None = Field(None, description="POST /v1/completions has them.")
    metadata: dict[str, Any] | None = Field(None, description="Is not read.")
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None
    moderation: None = None
    parallel_tool_calls: bool | None = Field(None, description="Changes nothing: there are no tools.")
    prediction: None = None
    prompt_cache_key: str | None = Field(None, description="Is not read.")
    prompt_cache_options: NoObject | None = None
    prompt_cache_retention: Literal["in_memory"] | None = None
    reasoning_effort: Literal["none"] | None = None
    response_format: TextFormat | None = Field(None, description='{"type": "text"}, or left out.')
    safety_identifier: str | None = Field(None, description="Is not read.")
    service_tier: Literal["auto", "default"] | None = None
    store: Off | None = None
    tool_choice: Literal["none", "auto"] | None = None
    tools: NoList | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    verbosity: Literal["medium"] | None = None
    web_search_options: None = None

    @field_validator("response_format", mode="before")
    @classmethod
    def _plain(cls, form: Any) -> Any:
        if isinstance(form, dict) and form.get("type") in ("json_object", "json_schema"):
            raise ValueError(FORMAT)
        return form

    @model_validator(mode="after")
    def _asks(self) -> Chat:
        if self.messages[-1].role != "user":
            raise ValueError(f"the last of the messages has to be the user's, not the {self.messages[-1].role}'s")
        return self

    @property
    def most_tokens(self) -> int | None:
        """How many tokens the answer may take; None where only its task says so."""
        return min(filter(None, (self.max_tokens, self.max_completion_tokens)), default=None)


class Said(BaseModel):
    """What the assistant says."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """The answer: there is one."""

    index: int = 0
    message: Said
    finish_reason: Reason


class Completion(BaseModel):
    """A response."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = Field(None, description="Null where the answer is not generated, as a label is not.")
