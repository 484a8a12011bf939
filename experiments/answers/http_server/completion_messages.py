"""What OpenAI's older completions look like: a text that a language model continues, or whose tokens it weighs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainValidator, model_validator

from adapter_workbench.experiments.answers.http_server.messages import of_whole_characters
from adapter_workbench.experiments.answers.http_server.openai_fields import One, OpenAIRequest, Reason, Usage

MOST_ALTERNATIVES = 5  # as at OpenAI
NEW_TOKENS = 16  # as at OpenAI
LARGEST = 2**31 - 1  # a token; which ones there are depends on the model
SORTS = 'a text, a list of texts, a list of tokens, or a list of such lists: "…"'


def _of_one_sort(prompt: Any) -> Any:
    """Refuse what is neither a text nor tokens, and lists of different things; each entry is looked at once."""
    if isinstance(prompt, str):
        return of_whole_characters(prompt)
    if isinstance(prompt, list) and prompt:
        if _are_tokens(prompt) or all(isinstance(part, list) and part and _are_tokens(part) for part in prompt):
            return prompt
        if all(isinstance(part, str) for part in prompt):
            return [of_whole_characters(part) for part in prompt]
    raise ValueError(f"it has to be {SORTS}, none of them empty; a token is a number from 0 on")


def _are_tokens(part: list[Any]) -> bool:
    return all(type(token) is int and 0 <= token <= LARGEST for token in part)


Tokens = Annotated[list[Annotated[int, Field(ge=0, le=LARGEST)]], Field(min_length=1)]
Texts = Annotated[list[str], Field(min_length=1)]
SeveralTokens = Annotated[list[Tokens], Field(min_length=1)]
Prompt = Annotated[
    str | Texts | Tokens | SeveralTokens,
    PlainValidator(_of_one_sort, json_schema_input_type=str | Texts | Tokens | SeveralTokens),
]


class Prompted(OpenAIRequest):
    """Texts, or their tokens, and the adapter that continues them as they are, without a chat template.

    With echo and logprobs, and max_tokens 0 or 1, it tells how likely the texts are. Continuations are always the most
    likely ones, token by token. Fields whose value asks for nothing are accepted.
    """

    prompt: Prompt = Field(description="One text or several, as texts or as lists of tokens.")
    max_tokens: int | None = Field(None, ge=0, description="16 if left out; 0 only with echo.")
    echo: bool | None = Field(False, description="Whether the prompt stands before its continuation.")
    logprobs: Annotated[int, Field(ge=0, le=MOST_ALTERNATIVES)] | None = Field(
        None, description="How many of the likeliest tokens are told at each place; not in a stream."
    )
    best_of: One | None = Field(None, description="1, or left out.")
    suffix: Literal[""] | None = Field(None, description="Empty, or left out.")

    @model_validator(mode="after")
    def _of_a_stream(self) -> Prompted:
        if self.stream and len(self.prompts) != 1:
            raise ValueError(f"a stream continues one prompt, not {len(self.prompts)}")
        if self.stream and self.logprobs is not None:
            raise ValueError("logprobs are told when all tokens are there: ask for them without stream")
        if self.stream and self.echo and not isinstance(self.prompts[0], str):
            raise ValueError("echo of tokens is not in a stream: send the prompt as a text, or ask without stream")
        return self

    @model_validator(mode="after")
    def _asks(self) -> Prompted:
        if self.max_tokens == 0 and (self.stream or not self.echo):
            raise ValueError("max_tokens: 0 asks for nothing; with echo: true, and no stream, the prompt is sent back")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt, as a text or as tokens."""
        sent: Any = self.prompt
        return [sent] if isinstance(sent, str) or isinstance(sent[0], int) else sent

    @property
    def is_weighed(self) -> bool:
        """Whether the tokens of prompts or continuations have to be told."""
        return self.logprobs is not None or bool(self.echo and not all(isinstance(sent, str) for sent in self.prompts))

    @property
    def most_tokens(self) -> int:
        """How many tokens a continuation may take."""
        return NEW_TOKENS if self.max_tokens is None else self.max_tokens


class LogProbabilities(BaseModel):
    """How likely tokens are, given those before; in natural logarithms."""

    tokens: list[str] = Field(description="Each token's text; half a character is written as U+FFFD.")
    token_logprobs: list[float | None] = Field(description="Null for the first token of a prompt.")
    top_logprobs: list[dict[str, float] | None] = Field(description="The likeliest tokens at each place, and its own.")
    text_offset: list[int] = Field(description="Where each token begins, if the tokens' texts are joined.")


class Continuation(BaseModel):
    """The continuation of a prompt."""

    index: int
    text: str
    logprobs: LogProbabilities | None = None
    finish_reason: Reason


class TextCompletion(BaseModel):
    """A response: a continuation for each prompt, in their order."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[Continuation]
    usage: Usage
