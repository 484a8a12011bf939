"""How likely a prompt and its continuation are, as OpenAI's completions say it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.http_server.completion_messages import LogProbabilities

if TYPE_CHECKING:
    from adapter_workbench.experiments.answers.http_server.openai_fields import Reason
    from adapter_workbench.workbench.answering.text_likelihood import TextLikelihood


@dataclass(frozen=True)
class Weighed:
    """A prompt and its continuation.

    Attributes:
        prompt: as it was sent.
        likelihood: of the tokens of both.
        read: how many of them are the prompt's.
        words: the continuation.
        reason: why it ended.
    """

    prompt: str | list[int]
    likelihood: TextLikelihood
    read: int
    words: str
    reason: Reason

    @classmethod
    def of_next(cls, prompt: str | list[int], text: TextLikelihood, new: int) -> Weighed:
        """Return a prompt, of which ``text`` speaks, with the likeliest next token or without any (``new`` is 0)."""
        read = len(text.ids)
        if not new:
            return cls(prompt, replace(text, likeliest=text.likeliest[:-1]), read, "", "length")
        token, likelihood = text.following
        both = replace(text, ids=[*text.ids, token], likelihoods=[*text.likelihoods, likelihood])
        return cls(prompt, both, read, text.next_text, "stop" if text.is_end else "length")


def prompt_text(row: Weighed) -> str:
    """Return a prompt as a text."""
    return row.prompt if isinstance(row.prompt, str) else "".join(_texts(row)[: row.read])


def log_probabilities(row: Weighed, with_prompt: bool) -> LogProbabilities:
    """Return how likely the continuation is, and with it the prompt's tokens where ``with_prompt``."""
    texts, start = _texts(row), 0 if with_prompt else row.read
    likelihoods = [None, *row.likelihood.likelihoods]
    likeliest: list[dict[str, float] | None] = [None]
    for token, likelihood, alternatives in zip(
        row.likelihood.ids[1:], row.likelihood.likelihoods, row.likelihood.likeliest, strict=False
    ):
        named: dict[str, float] = {}
        for other, value in (*alternatives, (token, likelihood)):
            named.setdefault(row.likelihood.words[other], value)  # of tokens with one text, the likelier
        likeliest.append(named)
    return LogProbabilities(
        tokens=texts[start:],
        token_logprobs=likelihoods[start:],
        top_logprobs=likeliest[start:],
        text_offset=[0, *accumulate(map(len, texts[start:]))][:-1],
    )


def _texts(row: Weighed) -> list[str]:
    return [row.likelihood.words[token] for token in row.likelihood.ids]
