"""What a body of each path may have, in words, for messages about one that has something else."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.http_server.completion_messages import MOST_ALTERNATIVES, SORTS
from adapter_workbench.experiments.answers.http_server.openai_fields import GREEDY, MOST_STOPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEXT = '{"text": "…", "text_pair": "…"}'
MESSAGE = '{"role": "user", "content": "…"}'


@dataclass(frozen=True)
class Body:
    """A body that can be sent."""

    fields: tuple[str, ...]  # of its own
    inner: Mapping[str, tuple[str, ...]]  # field → those of what is in it
    wanted: Mapping[str, str]  # what each has to be; ``""`` is the body itself, and ``[]`` any entry of a list

    @property
    def names(self) -> set[str]:
        """All fields that there are."""
        return {*self.fields, *chain.from_iterable(self.inner.values())}

    def beside(self, path: Sequence[str | int]) -> tuple[str, ...]:
        """Return the fields that there are where ``path`` ends."""
        above = [part for part in path[:-1] if isinstance(part, str)]
        return self.inner.get(above[-1], ()) if above else self.fields


def _of_the_body(wanted: Mapping[str, str]) -> tuple[str, ...]:
    """Return the fields of the body itself."""
    return tuple(name for name in wanted if name and not {*".["} & {*name})


QUESTION = Body(
    ("texts", "task", "adapter", "stream"),
    {"texts": ("text", "text_pair")},
    {
        "": 'an object: {"texts": ["…"], "task": "…"}',
        "texts": 'a list of texts: ["…"]',
        "texts[]": f"a text, or a pair: {TEXT}",
        "texts[].text": "a text",
        "texts[].text_pair": "a text",
        "task": "the name of a task",
        "adapter": "an adapter's id, or its beginning",
        "stream": "true or false",
    },
)
SHARED = {
    "model": "the name of a task, or an adapter's id",
    "stream": "true or false",
    "stream_options": 'an object: {"include_usage": true}',
    "stream_options.include_usage": "true or false",
    "stream_options.include_obfuscation": "false, or left out: nothing is added to a stream",
    "stop": f"a text, or a list of up to {MOST_STOPS}",
    "stop[]": "a text",
    "temperature": f"0: {GREEDY}",
    "top_p": "a number from 0 to 1",
    "n": "1, or left out: there is one answer",
    "seed": "a whole number",
    "user": "a text",
    "frequency_penalty": "0, or left out: answers are the most likely ones, and no word is made less likely",
    "presence_penalty": "0, or left out: answers are the most likely ones, and no word is made less likely",
    "logit_bias": "empty, or left out: answers are the most likely ones, and no token is made more or less likely",
}
STREAM_OPTIONS = {"stream_options": ("include_usage", "include_obfuscation")}
EMPTY_TURN = ("name", "refusal", "annotations", "audio", "function_call", "tool_calls")
NOT_READ = "empty, or left out: of a message only role and content are read"
NO_TOOLS = "left out, or empty: no tools are called"
CHAT_FIELDS = {
    "messages": f"a list of messages: [{MESSAGE}]",
    "max_tokens": "a number of tokens, at least 1",
    "max_completion_tokens": "a number of tokens, at least 1",
    "audio": "left out: answers are texts",
    "function_call": '"none", or left out: no functions are called',
    "functions": NO_TOOLS,
    "logprobs": "false, or left out: POST /v1/completions tells how likely tokens are",
    "metadata": "an object, which is not read",
    "modalities": '["text"], or left out: answers are texts',
    "moderation": "left out: nothing is moderated",
    "parallel_tool_calls": "true or false",
    "prediction": "left out: an answer is written word by word, whatever is predicted",
    "prompt_cache_key": "a text",
    "prompt_cache_options": "left out: no prompts are kept",
    "prompt_cache_retention": '"in_memory", or left out: no prompts are kept',
    "reasoning_effort": '"none", or left out: adapters answer without reasoning before it',
    "response_format": '{"type": "text"}, or left out: answers are not held to a form',
    "response_format.type": '"text": answers are not held to a form',
    "safety_identifier": "a text",
    "service_tier": '"auto" or "default", or left out: there is one tier',
    "store": "false, or left out: no answers are kept",
    "tool_choice": '"none" or "auto", or left out: no tools are called',
    "tools": NO_TOOLS,
    "top_logprobs": "0, or left out: POST /v1/completions tells how likely tokens are",
    "verbosity": '"medium", or left out: an answer is as long as its adapter has learned',
    "web_search_options": "left out: nothing is searched",
}
CHAT = Body(
    _of_the_body({**SHARED, **CHAT_FIELDS}),
    {
        "messages": ("role", "content", *EMPTY_TURN),
        "content": ("type", "text"),
        "response_format": ("type",),
        **STREAM_OPTIONS,
    },
    {
        "": f'an object: {{"model": "…", "messages": [{MESSAGE}]}}',
        **SHARED,
        **CHAT_FIELDS,
        "messages[]": f"a message: {MESSAGE}",
        "messages[].role": "system, developer, user or assistant",
        "messages[].content": 'a text, or parts of one: [{"type": "text", "text": "…"}]',
        "messages[].content[]": 'a part of a text: {"type": "text", "text": "…"}',
        "messages[].content[].type": '"text"; nothing else is read',
        "messages[].content[].text": "a text",
        **dict.fromkeys((f"messages[].{name}" for name in EMPTY_TURN), NOT_READ),
    },
)
PROMPTED_FIELDS = {
    "prompt": SORTS,
    "max_tokens": "a number of tokens",
    "echo": "true or false",
    "logprobs": f"a number from 0 to {MOST_ALTERNATIVES}: so many of the likeliest tokens are told",
    "best_of": "1, or left out: there is one continuation",
    "suffix": "empty, or left out: nothing is put into a text",
}
PROMPTED = Body(
    _of_the_body({**SHARED, **PROMPTED_FIELDS}),
    STREAM_OPTIONS,
    {"": 'an object: {"model": "…", "prompt": "…"}', **SHARED, **PROMPTED_FIELDS},
)
BODIES = {"/predict": QUESTION, "/v1/chat/completions": CHAT, "/v1/completions": PROMPTED}
