"""How long tests wait for what has to happen, on any machine: limits that guard against hanging and measure nothing."""

from __future__ import annotations

import os

PATIENCE = (
    600.0  # seconds; on a quiet machine nothing takes a tenth of it, and a recorded run is three to six times slower
)
SLOWDOWN = 6  # of a test whose lines are recorded


def unrecorded(seconds: float) -> float:
    """Return a limit on processor time that holds, too, while tests/tiers/recording.py traces every line."""
    return seconds * SLOWDOWN if "COVERAGE_PROCESS_START" in os.environ else seconds
