"""How much one request may ask for, how long it may take, and how much all of them may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

BYTES_A_CHARACTER = 6  # of JSON at most: \uXXXX
AROUND_A_TEXT = 64  # bytes of JSON around a text, more than enough
AROUND_ALL = 4096


@dataclass(frozen=True)
class Limits:
    """Bounds of a request, and of all that are there at a time."""

    texts: Annotated[int, Field(ge=1, description="Texts of one request.")] = 256
    characters: Annotated[int, Field(ge=1, description="Characters of one text.")] = 20_000  # of a pair together
    seconds: Annotated[float, Field(ge=0.01, le=3600, description="Seconds in which a request is answered.")] = 30.0
    arrival: float = 30.0  # seconds in which a request has to be there as a whole, and its answer has to be taken
    connections: Annotated[int, Field(ge=1, description="Connections that may be open.")] = 512
    large_at_once: int = 4  # how many of the largest requests may be in memory; :mod:`.body` says what counts

    @property
    def late(self) -> str:
        """What is said of an answer that takes longer."""
        return f"there was no answer within {self.seconds:g} seconds"

    @property
    def unfinished(self) -> str:
        """What is said of a request that takes longer to arrive."""
        return f"the request was not there as a whole within {self.arrival:g} seconds"

    @property
    def bytes(self) -> int:
        """The largest body that can keep the other bounds."""
        return self.texts * (BYTES_A_CHARACTER * self.characters + AROUND_A_TEXT) + AROUND_ALL

    @property
    def bytes_at_once(self) -> int:
        """What the bodies of large requests may have together."""
        return self.large_at_once * self.bytes
