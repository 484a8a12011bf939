"""The form of everything that is refused: a code, and a message; for OpenAI's paths in the form of OpenAI's errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse

from adapter_workbench.workbench.errors import BusyError, InputError, StoppedError, UnknownNameError, WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

STOPPING = "the server is stopping"
OPENAI = "/v1/"  # paths begin so that clients of OpenAI's interface ask for
OPENAI_CODES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "invalid_api_key",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
}
CODES: dict[type[WorkbenchError], HTTPStatus] = {
    BusyError: HTTPStatus.TOO_MANY_REQUESTS,
    StoppedError: HTTPStatus.SERVICE_UNAVAILABLE,
    UnknownNameError: HTTPStatus.NOT_FOUND,
    InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
}
UNKNOWN_MODEL = "model_not_found"


class Refusal(JSONResponse):
    """A refusal: its message is under ``detail``, or in an ``error`` of OpenAI's."""

    def __init__(self, code: int, what: str, headers: Mapping[str, str] | None, openai_code: str | None) -> None:
        """See :func:`refused`."""
        super().__init__({"detail": what}, code, headers)
        self._openai = (code, what, headers, openai_code)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the form that who asks for this path expects."""
        if scope["path"].startswith(OPENAI):
            await self.for_openai()(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def for_openai(self) -> JSONResponse:
        """Return the same in OpenAI's form."""
        code, what, headers, openai_code = self._openai
        sent = HTTPStatus.BAD_REQUEST if code == HTTPStatus.UNPROCESSABLE_ENTITY else code  # as OpenAI has it
        return JSONResponse(openai_error(code, what, openai_code), sent, headers)


def code_of(error: WorkbenchError) -> HTTPStatus:
    """Return the code with which an error is answered."""
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def refused(code: int, what: str, headers: Mapping[str, str] | None = None, openai_code: str | None = None) -> Refusal:
    """Return a refusal, with the code that OpenAI's interface has for it beside that of HTTP."""
    return Refusal(code, what, headers, openai_code)


def openai_error(code: int, what: str, openai_code: str | None = None) -> dict[str, Any]:
    """Return an error as OpenAI's interface has it."""
    kind = "invalid_request_error" if code < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    param = "model" if openai_code == UNKNOWN_MODEL else None
    named = openai_code or OPENAI_CODES.get(code)
    return {"error": {"message": what, "type": kind, "param": param, "code": named}}
