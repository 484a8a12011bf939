"""OpenAI's older completions: texts are continued as they are, and told how likely their tokens are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import accumulate
from typing import TYPE_CHECKING, cast

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from adapter_workbench.experiments.answers.http_server.completion_messages import (
    Continuation,
    LogProbabilities,
    Prompted,
    TextCompletion,
)
from adapter_workbench.experiments.answers.http_server.current import Job
from adapter_workbench.experiments.answers.http_server.list_lengths import lists_within
from adapter_workbench.experiments.answers.http_server.models import model_owner
from adapter_workbench.experiments.answers.http_server.openai_events import head_of, openai_events, reason_of, usage_of
from adapter_workbench.experiments.answers.http_server.openai_fields import Usage
from adapter_workbench.experiments.answers.http_server.replying import job_of, reply_to
from adapter_workbench.experiments.answers.http_server.streamed import EVENTS, STREAMS, answer_parts
from adapter_workbench.workbench.answering.predictor import AskedRows
from adapter_workbench.workbench.backbone.answer_options import GIVEN, AnswerOptions
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from datasets import Dataset
    from fastapi import FastAPI

    from adapter_workbench.experiments.answers.http_server.current import Current
    from adapter_workbench.experiments.answers.http_server.limits import Limits
    from adapter_workbench.experiments.answers.http_server.openai_fields import Reason
    from adapter_workbench.experiments.answers.http_server.service import Service
    from adapter_workbench.workbench.answering.predictor import Answer
    from adapter_workbench.workbench.answering.text_likelihood import TextLikelihood

CONTINUES = "causal-lm"  # the only kind of task whose adapters continue a text
UNCONTINUED = ("prompting", "retrieval")  # libraries whose adapters read a question, and no text as it is


def add_completions(app: FastAPI, service: Service, limits: Limits) -> None:
    """Continue texts, and tell how likely they are."""
    short = [Depends(lists_within(limits))]

    @app.post("/v1/completions", response_model=TextCompletion, responses=STREAMS, dependencies=short)
    async def completions(asked: Prompted, request: Request) -> TextCompletion | Response:
        """Continue texts as they are, as OpenAI's older interface does, or tell how likely they are."""
        _require_within(limits, asked)
        job = await job_of(service, lambda current: _job(current, asked))
        head = head_of(job, "cmpl")
        if asked.stream:
            parts, head = answer_parts(service, job, limits), {**head, "object": "text_completion"}
            first = [_choice(str(asked.prompts[0]), None)] if asked.echo else []
            return StreamingResponse(openai_events(parts, head, _choice, asked.with_usage, first), media_type=EVENTS)
        choices, usage = await _continued(service, job, limits, request, asked)
        return TextCompletion(**head, choices=choices, usage=usage)


async def _continued(
    service: Service, job: Job, limits: Limits, request: Request, asked: Prompted
) -> tuple[list[Continuation], Usage]:
    """Return the continuation of each prompt, and how many tokens were read and written."""
    if not asked.most_tokens or (asked.most_tokens == 1 and asked.is_weighed and not asked.stops):
        return await _weighed(service, job, limits, request, asked)
    until = asyncio.get_running_loop().time() + limits.seconds
    answers = (await reply_to(service, job, limits, request)).answers
    usage = cast("Usage", usage_of(answers))
    if not asked.is_weighed:
        echoed = [str(prompt) if asked.echo else "" for prompt in asked.prompts]
        return [_plain(index, *pair) for index, pair in enumerate(zip(echoed, answers, strict=True))], usage
    efforts = [answer.written for answer in answers if answer.written]
    whole = _rows([""] * len(efforts), [[*effort.ids] for effort in efforts], 1)
    weighing = replace(job, rows=whole, most=asked.logprobs or 0, is_counted=False)
    likelihoods = (await reply_to(service, weighing, limits, request, until)).likelihoods
    rows = [
        Weighed(prompt, text, effort.read, answer.words, reason_of(answer))
        for (prompt, text), effort, answer in zip(_pairs(asked, likelihoods), efforts, answers, strict=True)
    ]
    return [_weighed_continuation(index, row, asked) for index, row in enumerate(rows)], usage


async def _weighed(
    service: Service, job: Job, limits: Limits, request: Request, asked: Prompted
) -> tuple[list[Continuation], Usage]:
    """Return how likely each prompt is, with the likeliest next token or none: one pass over the prompt tells both."""
    reply = await reply_to(service, replace(job, most=asked.logprobs or 0), limits, request)
    rows = [Weighed.of_next(prompt, text, asked.most_tokens) for prompt, text in _pairs(asked, reply.likelihoods)]
    read, new = sum(row.read for row in rows), asked.most_tokens * len(rows)
    usage = Usage(prompt_tokens=read, completion_tokens=new, total_tokens=read + new)
    return [_weighed_continuation(index, row, asked) for index, row in enumerate(rows)], usage


def _pairs(
    asked: Prompted, likelihoods: Sequence[TextLikelihood | None]
) -> list[tuple[str | list[int], TextLikelihood]]:
    return [(prompt, text) for prompt, text in zip(asked.prompts, likelihoods, strict=True) if text]


def _plain(index: int, before: str, answer: Answer) -> Continuation:
    return Continuation(index=index, text=before + answer.words, finish_reason=reason_of(answer))


def _weighed_continuation(index: int, row: Weighed, asked: Prompted) -> Continuation:
    text = (prompt_text(row) if asked.echo else "") + row.words
    logs = None if asked.logprobs is None else log_probabilities(row, bool(asked.echo))
    return Continuation(index=index, text=text, logprobs=logs, finish_reason=row.reason)


def _job(current: Current, asked: Prompted) -> Job:
    """Return what continues the prompts.

    Raises:
        UnknownNameError: there is no such model.
        InputError: it continues no text, or has no such tokens.
    """
    owner = model_owner(current, asked.model)
    manifest = current.opened.adapters[owner].manifest
    task = manifest.task
    if task.kind != CONTINUES or manifest.library in UNCONTINUED:
        how = task.kind if task.kind != CONTINUES else manifest.method
        raise InputError(f"{task.name} continues no text ({how}): ask it by POST /v1/chat/completions")
    texts = [prompt if isinstance(prompt, str) else "" for prompt in asked.prompts]
    given = [None if isinstance(prompt, str) else prompt for prompt in asked.prompts]
    _require_known(given, current.opened.backbone.config.get_text_config().vocab_size)
    options = AnswerOptions(asked.most_tokens, asked.stops, raw=True)
    return Job(current, _rows(texts, given, asked.most_tokens), owner, options)


def _rows(texts: Sequence[str], given: Sequence[Sequence[int] | None], limit: int) -> Dataset:
    """Return prompts as rows that are read as they are."""
    numbers = [str(number) for number in range(len(texts))]
    limits: list[Any] = [limit] * len(texts)
    rows: Any = AskedRows({"id": numbers, "max_new_tokens": limits, "text": [*texts], GIVEN: [*given]})
    return cast("Dataset", rows)


def _require_known(given: Sequence[Sequence[int] | None], vocabulary: int) -> None:
    if (largest := max((max(ids) for ids in given if ids), default=0)) >= vocabulary:
        raise InputError(f"there is no token {largest}: the model's are 0 to {vocabulary - 1}")


def _choice(part: str | None, reason: Reason | None) -> dict[str, Any]:
    return {"index": 0, "text": part or "", "logprobs": None, "finish_reason": reason}


def _require_within(limits: Limits, asked: Prompted) -> None:
    """Refuse prompts of which one is longer than a text may be, with the texts at which answers stop."""
    longest = max(map(len, asked.prompts)) + sum(map(len, asked.stops))
    if longest > limits.characters:
        message = f"one prompt may have {limits.characters:,} characters, and the longest here has {longest:,}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)


# How likely a prompt and its continuation are, as OpenAI's completions say it.


@dataclass(frozen=True)
class Weighed:
    """A prompt and its continuation."""

    prompt: str | list[int]  # as it was sent
    likelihood: TextLikelihood  # of the tokens of both
    read: int  # how many of them are the prompt's
    words: str  # the continuation
    reason: Reason  # why it ended

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
