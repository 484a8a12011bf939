"""Which machines this runs on: files are locked as POSIX has it."""

from __future__ import annotations

import os

ON_WINDOWS = os.name == "nt"
POSIX = "Adapter Workbench runs on Linux and macOS. On Windows, install it in WSL."


def refusal() -> str | None:
    """Return why it cannot run here; None where it can."""
    return POSIX if ON_WINDOWS else None
