"""What is wrong with a request, in the words of the interface: where, what it has to be, what would work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import suggest
from adapter_workbench.workbench.errors.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.experiments.answers.http_server.bodies import Body

MOST = 3  # mistakes that one message lists
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
    known = [part for part in location if isinstance(part, int) or part in body.names]
    while not unknown and _kind_of_place(known) not in body.wanted:  # what is in a field that is described as a whole
        known.pop()
    return (*known, *unknown)


def _complaint(path: tuple[str | int, ...], error: Mapping[str, Any], body: Body) -> str:
    kind, where = error["type"], _written(path)
    if kind == NO_JSON:
        return f"the body is not JSON, from character {error['loc'][-1]} on: {error['ctx']['error']}"
    if kind == UNKNOWN:
        return f"there is no field {printable(where, 80)!r}. {suggest(str(path[-1]), body.beside(path))}"
    if kind == OWN:
        message = error["msg"].removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    wanted = body.wanted[_kind_of_place(path)]
    if kind == MISSING:
        return f"{where or 'the body'} is missing; it has to be {wanted}"
    if kind == TOO_SHORT:
        return f"{where} is empty; it has to be {wanted}"
    return f"{where or 'the body'} has to be {wanted}"


def _kind_of_place(path: Sequence[str | int]) -> str:
    """Return a path as :class:`.Body` names it, any entry of a list as ``[]``."""
    return _written(tuple("" if isinstance(part, int) else part for part in path))


def _written(path: Sequence[str | int]) -> str:
    """Return a path as a program writes it: ``texts[1].text``; a place of "" as ``[]``."""
    written = ""
    for part in path:
        written += f"[{part}]" if isinstance(part, int) or part == "" else f".{part}" if written else part
    return written
