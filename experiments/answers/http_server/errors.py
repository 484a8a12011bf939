"""What becomes of errors: each is a code and one message."""

from __future__ import annotations

from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteError

from adapter_workbench.experiments.answers.http_server import mistakes
from adapter_workbench.experiments.answers.http_server.bodies import BODIES
from adapter_workbench.experiments.answers.http_server.refusals import UNKNOWN_MODEL, code_of, refused
from adapter_workbench.experiments.answers.http_server.streamed import FAULT
from adapter_workbench.workbench.errors import UnknownNameError, WorkbenchError
from adapter_workbench.workbench.errors.printable import printable

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

JSON = "application/json"
UNREADABLE = "the body is not JSON in UTF-8, is nested too deeply, or has a number that is too long"
AGAIN = {HTTPStatus.TOO_MANY_REQUESTS: "1", HTTPStatus.SERVICE_UNAVAILABLE: "5"}  # seconds to wait


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
        return refused(HTTPStatus.UNPROCESSABLE_ENTITY, mistakes.in_words(error.errors(), BODIES[request.url.path]))

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
