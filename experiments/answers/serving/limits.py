"""How much one request may ask for, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

BYTES_A_CHARACTER = 6  # of JSON at most: \uXXXX
AROUND_A_TEXT = 64  # bytes of JSON around a text, more than enough
AROUND_ALL = 4096


@dataclass(frozen=True)
class Limits:
    """Bounds of a request.

    Attributes:
        texts: how many it may have.
        characters: how long each may be, a pair taken together.
        seconds: how long its answer may take.
    """

    texts: int = 256
    characters: int = 20_000
    seconds: float = 30.0

    @property
    def late(self) -> str:
        """What is said of an answer that takes longer."""
        return f"there was no answer within {self.seconds:g} seconds"

    @property
    def bytes(self) -> int:
        """The largest body that can keep the other bounds."""
        return self.texts * (BYTES_A_CHARACTER * self.characters + AROUND_A_TEXT) + AROUND_ALL
