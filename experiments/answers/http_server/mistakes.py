"""What is wrong with a request, in the words of the interface: where, what it has to be, what would work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.errors import suggest
from workbench.errors.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 3  # mistakes that one message lists
TEXT = '{"text": "…", "text_pair": "…"}'
EXAMPLE = '{"texts": ["…"], "task": "…"}'
WANTED = {
    "": f"an object: {EXAMPLE}",
    "texts": 'a list of texts: ["…"]',
    "texts[]": f"a text, or a pair: {TEXT}",
    "texts[].text": "a text",
    "texts[].text_pair": "a text",
    "task": "the name of a task",
    "adapter": "an adapter's id, or its beginning",
    "stream": "true or false",
}
FIELDS = ("text", "text_pair", "texts", "task", "adapter", "stream")
TOO_SHORT, MISSING, UNKNOWN, NO_JSON, OWN = "too_short", "missing", "extra_forbidden", "json_invalid", "value_error"


def in_words(errors: Sequence[Mapping[str, Any]]) -> str:
    """Return what is wrong with the body of a request.

    Args:
        errors: as pydantic lists them. A text may be two things, of which each has its own complaints: the deepest
            counts.
    """
    complaints: dict[tuple[str | int, ...], str] = {}
    for error in errors:
        path = _path(error)
        if path not in complaints:
            complaints[path] = _complaint(path, error)
    above = {path[:depth] for path in complaints for depth in range(len(path))}
    deepest = [complaint for path, complaint in complaints.items() if path not in above]
    return "; ".join(deepest[:MOST]) + ("; …" if len(deepest) > MOST else "")


def _path(error: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return where a mistake is: names of fields and places in lists, without the kinds of a text in between."""
    location = error["loc"][1:]  # after "body"
    if error["type"] == NO_JSON:
        return ()
    if error["type"] == UNKNOWN:
        location, unknown = location[:-1], location[-1:]
    else:
        unknown = ()
    return (*(part for part in location if isinstance(part, int) or part in FIELDS), *unknown)


def _complaint(path: tuple[str | int, ...], error: Mapping[str, Any]) -> str:
    kind, where = error["type"], _written(path)
    if kind == NO_JSON:
        return f"the body is not JSON, from character {error['loc'][-1]} on: {error['ctx']['error']}"
    if kind == UNKNOWN:
        there = FIELDS[:2] if len(path) > 1 else FIELDS[2:]
        return f"there is no field {printable(where, 80)!r}. {suggest(str(path[-1]), there)}"
    if kind == OWN:
        message = error["msg"].removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    wanted = WANTED[_written(tuple("" if isinstance(part, int) else part for part in path))]
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
