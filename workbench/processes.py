"""Several processes that share one training, as ``accelerate launch`` starts them.

All of them do the same work in step, since a fit synchronises them; what they write is the same, and whoever comes
second finds it there. Only the first process locks, prints and logs.
"""

from __future__ import annotations

import os


def is_first() -> bool:
    """Return whether this is the first process, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0
