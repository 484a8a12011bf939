"""What is wrong with a request, in the words of the interface: where, what it has to be, what would work."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from workbench.errors import suggest
from workbench.errors.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 3  # mistakes that one message lists
TEXT = '{"text": "…", "text_pair": "…"}'
MESSAGE = '{"role": "user", "content": "…"}'


@dataclass(frozen=True)
class Body:
    """A body that can be sent.

    Attributes:
        fields: of its own.
        inner: field → those of what is in it.
        wanted: what each has to be; ``""`` is the body itself, and ``[]`` any entry of a list.
    """

    fields: tuple[str, ...]
    inner: Mapping[str, tuple[str, ...]]
    wanted: Mapping[str, str]

    @property
    def names(self) -> set[str]:
        """All fields that there are."""
        return {*self.fields, *chain.from_iterable(self.inner.values())}

    def beside(self, path: Sequence[str | int]) -> tuple[str, ...]:
        """Return the fields that there are where ``path`` ends."""
        above = [part for part in path[:-1] if isinstance(part, str)]
        return self.inner[above[-1]] if above else self.fields


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
CHAT = Body(
    (
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "temperature",
        "top_p",
        "n",
        "seed",
        "user",
    ),
    {"messages": ("role", "content"), "content": ("type", "text"), "stream_options": ("include_usage",)},
    {
        "": f'an object: {{"model": "…", "messages": [{MESSAGE}]}}',
        "model": "the name of a task, or an adapter's id",
        "messages": f"a list of messages: [{MESSAGE}]",
        "messages[]": f"a message: {MESSAGE}",
        "messages[].role": "system, user or assistant",
        "messages[].content": 'a text, or parts of one: [{"type": "text", "text": "…"}]',
        "messages[].content[]": 'a part of a text: {"type": "text", "text": "…"}',
        "messages[].content[].type": '"text"; nothing else is read',
        "messages[].content[].text": "a text",
        "stream": "true or false",
        "stream_options": 'an object: {"include_usage": true}',
        "stream_options.include_usage": "true or false",
        "max_tokens": "a number of tokens, at least 1",
        "max_completion_tokens": "a number of tokens, at least 1",
        "stop": "a text, or a list of up to four",
        "stop[]": "a text",
        "temperature": "0, or left out",
        "top_p": "a number above 0 and up to 1",
        "n": "1, or left out",
        "seed": "a whole number",
        "user": "a text",
    },
)
BODIES = {"/predict": QUESTION, "/v1/chat/completions": CHAT}
TOO_SHORT, MISSING, UNKNOWN, NO_JSON, OWN = "too_short", "missing", "extra_forbidden", "json_invalid", "value_error"


def in_words(errors: Sequence[Mapping[str, Any]], body: Body) -> str:
    """Return what is wrong with the body of a request.

    Args:
        errors: as pydantic lists them. A text may be two things, of which each has its own complaints: the deepest
            counts.
        body: what was to be sent.
    """
    complaints: dict[tuple[str | int, ...], str] = {}
    for error in errors:
        path = _path(error, body)
        if path not in complaints:
            complaints[path] = _complaint(path, error, body)
    above = {path[:depth] for path in complaints for depth in range(len(path))}
    deepest = [complaint for path, complaint in complaints.items() if path not in above]
    return "; ".join(deepest[:MOST]) + ("; …" if len(deepest) > MOST else "")


def _path(error: Mapping[str, Any], body: Body) -> tuple[str | int, ...]:
    """Return where a mistake is: names of fields and places in lists, without the kinds of a text in between."""
    location = error["loc"][1:]  # after "body"
    if error["type"] == NO_JSON:
        return ()
    if error["type"] == UNKNOWN:
        location, unknown = location[:-1], location[-1:]
    else:
        unknown = ()
    return (*(part for part in location if isinstance(part, int) or part in body.names), *unknown)


def _complaint(path: tuple[str | int, ...], error: Mapping[str, Any], body: Body) -> str:
    kind, where = error["type"], _written(path)
    if kind == NO_JSON:
        return f"the body is not JSON, from character {error['loc'][-1]} on: {error['ctx']['error']}"
    if kind == UNKNOWN:
        return f"there is no field {printable(where, 80)!r}. {suggest(str(path[-1]), body.beside(path))}"
    if kind == OWN:
        message = error["msg"].removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    wanted = body.wanted[_written(tuple("" if isinstance(part, int) else part for part in path))]
    if kind == MISSING:
        return f"{where or 'the body'} is missing; it has to be {wanted}"
    if kind == TOO_SHORT:
        return f"{where} is empty; it has to be {wanted}"
    return f"{where or 'the body'} has to be {wanted}"


def _written(path: Sequence[str | int]) -> str:
    """Return a path as a program writes it: ``texts[1].text``; a place of "" as ``[]``."""
    written = ""
    for part in path:
        written += f"[{part}]" if isinstance(part, int) or part == "" else f".{part}" if written else part
    return written
