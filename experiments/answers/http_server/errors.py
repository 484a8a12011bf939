"""What becomes of errors: each is a code and one message."""

from __future__ import annotations

from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteError

from adapter_workbench.experiments.answers.http_server.bodies import BODIES
from adapter_workbench.experiments.answers.http_server.refusals import UNKNOWN_MODEL, code_of, refused
from adapter_workbench.experiments.answers.http_server.streamed import FAULT
from adapter_workbench.workbench.errors import UnknownNameError, WorkbenchError, suggest
from adapter_workbench.workbench.errors.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI, Request, Response

    from adapter_workbench.experiments.answers.http_server.bodies import Body

JSON = "application/json"
UNREADABLE = "the body is not JSON in UTF-8, is nested too deeply, or has a number that is too long"
AGAIN = {HTTPStatus.TOO_MANY_REQUESTS: "1", HTTPStatus.SERVICE_UNAVAILABLE: "5"}  # seconds to wait
MOST = 3  # mistakes that one message lists
TOO_SHORT, MISSING, UNKNOWN, NO_JSON, OWN = "too_short", "missing", "extra_forbidden", "json_invalid", "value_error"


def add_errors(app: FastAPI) -> None:
    """Answer errors of every kind."""

    @app.exception_handler(WorkbenchError)
    async def known_error(_: Request, error: WorkbenchError) -> Response:
        code = code_of(error)
        names = f". {error.hint}" if isinstance(error, UnknownNameError) else ""  # other hints are about commands
        openai_code = UNKNOWN_MODEL if isinstance(error, UnknownNameError) else None
        again = {"Retry-After": AGAIN[code]} if code in AGAIN else None
        return refused(code, f"{error.what}{names}", again, openai_code)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        if not _is_json(request.headers.get("content-type", "")):
            return refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"send JSON, and say so: Content-Type: {JSON}")
        return refused(HTTPStatus.UNPROCESSABLE_ENTITY, in_words(error.errors(), BODIES[request.url.path]))

    @app.exception_handler(StarletteError)
    async def unreadable(request: Request, error: StarletteError) -> Response:
        return refused(*_code_and_message(request, error), error.headers)

    @app.exception_handler(Exception)  # it is raised further, and logged with its traceback
    async def failed(_: Request, error: Exception) -> Response:
        return refused(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT)


def _is_json(content_type: str) -> bool:
    """Return whether fastapi reads a body of this type as JSON."""
    header = Message()
    header["content-type"] = content_type
    subtype = header.get_content_subtype()
    return header.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def _code_and_message(request: Request, error: StarletteError) -> tuple[int, str]:
    """Return how an error is answered that fastapi or one of the paths raised."""
    path = printable(request.url.path, 80)
    if error.status_code == HTTPStatus.BAD_REQUEST:  # fastapi raises it where a body cannot be read at all
        return HTTPStatus.UNPROCESSABLE_ENTITY, UNREADABLE
    if error.status_code == HTTPStatus.NOT_FOUND:
        return error.status_code, f"there is no path {path}; GET / lists those that there are"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        return error.status_code, f"{path} takes {allowed}, not {request.method}; GET / lists what there is"
    return error.status_code, error.detail


# What is wrong with a request, in the words of the interface: where, what it has to be, what would work.


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
