"""Fields of a request that OpenAI's chats and completions have in common: what is done, and what asks for nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from adapter_workbench.experiments.answers.http_server.messages import SentObject, Words

MOST_STOPS = 16
GREEDY = (
    "answers are not drawn: an adapter is tested by its most likely answer, token by token, and gives that one; "
    "it has to be 0 or left out"
)


def _whole(stop: str) -> str:
    """Refuse an empty text, at which every answer would stop before it begins."""
    if not stop:
        raise ValueError("an empty text stops every answer")
    return stop


Stop = Annotated[Words, AfterValidator(_whole)]


def _off(value: bool) -> bool:
    """Refuse true; a Literal of False would take the number 0 too."""
    if value:
        raise PydanticCustomError("not_off", "has to be false")
    return value


Off = Annotated[bool, AfterValidator(_off), WithJsonSchema({"type": "boolean", "const": False})]
Zero = Annotated[float, Field(ge=0, le=0)]
One = Annotated[int, Field(ge=1, le=1)]
NoList = Annotated[list[Any], Field(max_length=0)]
NoObject = Annotated[dict[str, Any], Field(max_length=0)]
Reason = Literal["stop", "length"]


class StreamOptions(SentObject):
    """What a stream says besides."""

    include_usage: bool | None = False
    include_obfuscation: Off | None = None


class OpenAIRequest(SentObject):
    """An adapter, and how long its answer may get.

    Answers are always the most likely ones, token by token. What asks for others is refused, and so is what asks for
    anything else that is not done; fields whose value asks for nothing are accepted.
    """

    model: str = Field(description="The name of a task, or an adapter's id or its beginning.")
    stream: bool | None = False
    stream_options: StreamOptions | None = Field(None, description="Only with stream.")
    stop: Stop | list[Stop] | None = Field(None, description="Up to 16 texts; the answer ends before the first.")
    temperature: Zero | None = Field(None, description="0, or left out.")
    top_p: float | None = Field(None, ge=0, le=1, description="Changes nothing: the most likely token is taken.")
    n: One | None = Field(None, description="1, or left out.")
    seed: int | None = Field(None, description="Changes nothing: nothing is drawn.")
    user: str | None = Field(None, description="Is not read.")
    frequency_penalty: Zero | None = Field(None, description="0, or left out.")
    presence_penalty: Zero | None = Field(None, description="0, or left out.")
    logit_bias: NoObject | None = Field(None, description="Empty, or left out.")

    @field_validator("temperature", mode="before")
    @classmethod
    def _greedy(cls, temperature: Any) -> Any:
        if isinstance(temperature, float | int) and not isinstance(temperature, bool) and temperature:
            raise ValueError(f"{GREEDY}, not {temperature:g}")
        return temperature

    @field_validator("n", mode="before")
    @classmethod
    def _one_answer(cls, n: Any) -> Any:
        if isinstance(n, int) and not isinstance(n, bool) and n != 1:
            raise ValueError(f"there is one answer: it has to be 1 or left out, not {n}")
        return n

    @field_validator("stop", mode="before")
    @classmethod
    def _few(cls, stop: Any) -> Any:
        if isinstance(stop, list) and len(stop) > MOST_STOPS:
            raise ValueError(f"{len(stop)} texts; there may be {MOST_STOPS}")
        return stop

    @model_validator(mode="after")
    def _streams(self) -> OpenAIRequest:
        if self.with_usage and not self.stream:
            raise ValueError("stream_options needs stream: true")
        return self

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the number of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts before which the answer ends."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class Usage(BaseModel):
    """Tokens that were read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
