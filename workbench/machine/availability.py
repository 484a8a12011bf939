"""Whether the files of a task or a backbone are on this machine; found out without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["here", "download", "missing", "unknown"]


@dataclass(frozen=True)
class Availability:
    # ``here``; ``download``: not here, and a network would bring it; ``missing``: it cannot be had; ``unknown``: only
    # reading it tells
    state: State
    location: str  # where it lies, where it would come from, or what is missing; for people
