"""How long tests wait for what has to happen, on any machine: limits that guard against hanging and measure nothing."""

from __future__ import annotations

import os

PATIENCE = (
    600.0  # seconds; on a quiet machine nothing takes a tenth of it, and a recorded run is three to six times slower
)
SLOWDOWN = 6  # of a test whose lines are recorded
MEMORY = 200  # MB that a process may take beside its own while its lines are recorded


def unrecorded(seconds: float) -> float:
    """Return a limit on processor time that holds, too, while tests/tiers/recording.py traces every line."""
    return seconds * SLOWDOWN if _is_recorded() else seconds


def unrecorded_memory(megabytes: float) -> float:
    """Return a limit on a process's memory that holds, too, while its lines are recorded."""
    return megabytes + MEMORY if _is_recorded() else megabytes


def _is_recorded() -> bool:
    return "COVERAGE_PROCESS_START" in os.environ
