"""Who may ask: what is found out about a request from its first lines, before its body is read."""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from adapter_workbench.experiments.answers.http_server.address import ANYONE
from adapter_workbench.experiments.answers.http_server.refusals import refused

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse
    from starlette.types import Scope

OPEN = {"/health", "/ready"}  # asked by who watches over processes, and tell nothing
ASKING = {"/predict", "/v1/chat/completions", "/v1/completions"}  # a POST that changes nothing
READING = {"GET", "HEAD", "OPTIONS"}
LENGTH = re.compile(r"[0-9]{1,20}")  # of a body, as it is stated


@dataclass(frozen=True)
class Admission:
    """Refuses who may not ask."""

    key: bytes | None  # what every request but those for ``OPEN`` has to bring; None where none is needed
    names: Collection[str]  # what requests may call this server
    most_bytes: int  # of a body

    def refusal(self, scope: Scope) -> JSONResponse | None:
        """Return what a request that is not admitted is answered; None for one that is."""
        headers, path = Headers(scope=scope), scope["path"]
        if message := _unclear_length(headers):
            return refused(HTTPStatus.BAD_REQUEST, message, {"Connection": "close"})
        if tuple(self.names) != ANYONE and _name(headers.get("host", "")) not in self.names:
            message = f"this server answers under these names alone: {', '.join(self.names)}"
            return refused(HTTPStatus.BAD_REQUEST, message)
        if self.key is not None and path not in OPEN and not _has(headers, self.key):
            message = "the key is missing or wrong: Authorization: Bearer KEY"
            return refused(HTTPStatus.UNAUTHORIZED, message, {"WWW-Authenticate": "Bearer"})
        if scope["method"] not in READING and path not in ASKING and not _is_own(headers):
            message = "a page of another origin may not change what this server does"
            return refused(HTTPStatus.FORBIDDEN, message)
        if int(headers.get("content-length", 0)) > self.most_bytes:
            return too_large(self.most_bytes)
        return None


def _unclear_length(headers: Headers) -> str:
    """Return why it is not clear where a body ends; empty where it is."""
    length = headers.get("content-length")
    if length is not None and "transfer-encoding" in headers:  # RFC 9112, § 6.1: two servers may disagree
        return "a body has a Content-Length or is chunked (Transfer-Encoding), not both"
    if length is not None and not LENGTH.fullmatch(length):  # uvicorn's parsers refuse it before
        return "the Content-Length is not a number of bytes"
    return ""


def too_large(most_bytes: int) -> JSONResponse:
    """Return what a request with a larger body is answered."""
    return refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request has more than {most_bytes:,} bytes")


def _name(host: str) -> str:
    """Return what a request calls the server, without the port; an IPv6 address has brackets here."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _is_own(headers: Headers) -> bool:
    """Return whether a request comes from no page, or from one of this server."""
    origin = headers.get("origin")
    return origin is None or origin.lower().partition("://")[2] == headers.get("host", "").lower()


def _has(headers: Headers, key: bytes) -> bool:
    scheme, _, credentials = headers.get("authorization", "").encode("latin-1").partition(b" ")
    return hmac.compare_digest(credentials.strip(), key) and scheme.lower() == b"bearer"
