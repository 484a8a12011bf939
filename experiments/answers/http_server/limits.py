"""How much one request may ask for, how long it may take, and how much all of them may hold."""

from __future__ import annotations

from dataclasses import dataclass

BYTES_A_CHARACTER = 6  # of JSON at most: \uXXXX
AROUND_A_TEXT = 64  # bytes of JSON around a text, more than enough
AROUND_ALL = 4096


@dataclass(frozen=True)
class Limits:
    """Bounds of a request, and of all that are there at a time."""

    texts: int = 256  # how many a request may have
    characters: int = 20_000  # how long each may be, a pair taken together
    seconds: float = 30.0  # how long its answer may take
    arrival: float = 30.0  # seconds in which a request has to be there as a whole, and its answer has to be taken
    connections: int = 512  # how many may be open
    large_at_once: int = 4  # how many of the largest requests may be in memory; `app.Bodies` says what counts

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
