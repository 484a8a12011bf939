"""What OpenAI's chat completions look like: requests and responses, and the list of models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from experiments.answers.http_server.messages import SentObject, Words

MOST_STOPS = 4  # as at OpenAI


def _whole(stop: str) -> str:
    """Refuse an empty text, at which every answer would stop before it begins."""
    if not stop:
        raise ValueError("an empty text stops every answer")
    return stop


Stop = Annotated[Words, AfterValidator(_whole)]


class Part(SentObject):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: Words


class ChatMessage(SentObject):
    """A turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: Words | Annotated[list[Part], Field(fail_fast=True)]

    @property
    def text(self) -> str:
        """The turn's text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(SentObject):
    """What a stream says besides."""

    include_usage: bool = False


class Chat(SentObject):
    """A chat, the adapter that answers its last message, and how long the answer may get.

    Answers are always the most likely ones, token by token. What would ask for others is refused.
    """

    model: str = Field(description="The name of a task, or an adapter's id or its beginning.")
    messages: list[ChatMessage] = Field(min_length=1, fail_fast=True)
    stream: bool | None = False
    stream_options: StreamOptions | None = Field(None, description="Only with stream.")
    max_tokens: int | None = Field(None, ge=1, description="The answer is never longer than its task allows.")
    max_completion_tokens: int | None = Field(None, ge=1, description="As max_tokens.")
    stop: Stop | list[Stop] | None = Field(None, description="Up to four texts; the answer ends before the first.")
    temperature: float | None = Field(None, description="0, or left out.")
    top_p: float | None = Field(None, gt=0, le=1, description="Changes nothing: the most likely token is taken.")
    n: int | None = Field(None, description="1, or left out.")
    seed: int | None = Field(None, description="Changes nothing: nothing is drawn.")
    user: str | None = Field(None, description="Is not read.")

    @field_validator("temperature")
    @classmethod
    def _greedy(cls, temperature: float | None) -> float | None:
        if temperature:
            raise ValueError(f"answers are not drawn: it has to be 0 or left out, not {temperature:g}")
        return temperature

    @field_validator("n")
    @classmethod
    def _one_answer(cls, n: int | None) -> int | None:
        if n not in (None, 1):
            raise ValueError(f"there is one answer: it has to be 1 or left out, not {n}")
        return n

    @field_validator("stop", mode="before")
    @classmethod
    def _few(cls, stop: Any) -> Any:
        if isinstance(stop, list) and len(stop) > MOST_STOPS:
            raise ValueError(f"{len(stop)} texts; there may be {MOST_STOPS}")
        return stop

    @model_validator(mode="after")
    def _asks(self) -> Chat:
        if self.messages[-1].role != "user":
            raise ValueError(f"the last of the messages has to be the user's, not the {self.messages[-1].role}'s")
        return self

    @model_validator(mode="after")
    def _streams(self) -> Chat:
        if self.stream_options and not self.stream:
            raise ValueError("stream_options needs stream: true")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts before which the answer ends."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def most_tokens(self) -> int | None:
        """How many tokens the answer may take; None where only its task says so."""
        return min(filter(None, (self.max_tokens, self.max_completion_tokens)), default=None)


class Usage(BaseModel):
    """Tokens that were read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Said(BaseModel):
    """What the assistant says."""

    role: Literal["assistant"] = "assistant"
    content: str


Reason = Literal["stop", "length"]


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


class Model(BaseModel):
    """A name under which an adapter answers."""

    id: str = Field(description="An adapter's id, or the name of the task that it answers for.")
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "adapter-workbench"
    root: str = Field(description="The adapter's id.")
    parent: str = Field(description="The backbone.")


class Models(BaseModel):
    """All names under which adapters answer."""

    object: Literal["list"] = "list"
    data: list[Model]
