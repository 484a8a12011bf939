"""Several processes that share one training, as ``accelerate launch`` or ``torchrun`` start them.

All of them do the same work in step, since a fit synchronises them; what they write is the same, and whoever comes
second finds it there. Only the first process locks, prints and logs.
"""

from __future__ import annotations

import os


def count() -> int:
    """Return how many processes share the training; each takes a batch of its own, so it matters to the numbers."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Return whether this is the first process, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def place() -> int:
    """Return which of the processes on this machine this one is, from 0; each computes on a device of its own."""
    return int(os.environ.get("LOCAL_RANK", "0"))
