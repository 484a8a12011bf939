"""Wall time of work that is done in several pieces."""

from __future__ import annotations

import time
from typing import Self


class Stopwatch:
    """A context that may be entered again and again, one entry at a time.

    Attributes:
        seconds: what all of its blocks took together.
    """

    seconds = 0.0

    def __enter__(self) -> Self:
        """Go on."""
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, whatever ended the block."""
        self.seconds += time.perf_counter() - self._began
