"""Bodies of requests: read whole, before anything is done with them, and bounded by themselves and together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.http_server.admission import too_large
from adapter_workbench.experiments.answers.http_server.refusals import refused

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse
    from starlette.types import Receive

    from adapter_workbench.experiments.answers.http_server.limits import Limits

SMALL = 65_536  # bytes; so many of each body do not count: large ones never keep small ones out


class Bodies:
    """How many bytes of large bodies are in memory.

    A body counts from its first byte after ``SMALL`` until its request is answered.
    """

    def __init__(self, limits: Limits) -> None:
        """Count from zero."""
        self._limits, self._held = limits, 0

    @contextmanager
    def counting(self) -> Iterator[Body]:
        """Yield an empty body; what it comes to hold no longer counts afterwards."""
        body = Body()
        try:
            yield body
        finally:
            self._held -= body.counted

    async def read(self, body: Body, receive: Receive) -> JSONResponse | None:
        """Read a body whole.

        Returns:
            None, or why it was refused; in ``body.is_whole`` whether all of it is there: a client may have gone.
        """
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body.content += message.get("body", b"")
            if len(body.content) > self._limits.bytes:
                return too_large(self._limits.bytes)
            more = max(len(body.content) - SMALL, 0) - body.counted
            body.counted += more
            self._held += more
            if more and self._held > self._limits.bytes_at_once:
                reason = "too many large requests are here at once; send it again, or in parts"
                return refused(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": "5"})
            if not message.get("more_body", False):
                body.is_whole = True
                return None


class Body:
    """A body on its way: what is there of it, how much of that counts, and whether it is all."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.content, self.counted, self.is_whole = bytearray(), 0, False
