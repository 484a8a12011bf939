"""The one form of everything that is refused: a code, and a message under ``detail``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

STOPPING = "the server is stopping"


def refused(code: int, what: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a refusal: the message is its ``detail``."""
    return JSONResponse({"detail": what}, code, headers)
