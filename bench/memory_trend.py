"""Does the memory of a process grow? Samples of it, and the slope of the line through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil
from scipy.stats import theilslopes

from bench.growth import MB

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR = 3600  # seconds
FEW = 4  # samples, from which on there is a slope with an interval


def sample(process: int, seconds: float) -> dict[str, float]:
    """Return what a process holds and has taken: resident MB, of them its own (no mapped files), processor seconds."""
    observed = psutil.Process(process)
    memory, times = observed.memory_info(), observed.cpu_times()
    return {
        "seconds": round(seconds, 1),
        "resident_mb": round(memory.rss / MB, 2),
        "own_mb": round((memory.rss - memory.shared) / MB, 2),
        "cpu_seconds": round(times.user + times.system, 2),
    }


def slope(samples: Sequence[dict[str, float]], key: str) -> dict[str, Any]:
    """Return the MB an hour by which a key of the samples grows, as the median of the slopes of all pairs of them.

    The 95 % interval is that of Sen (1968, doi:10.1080/01621459.1968.10480934), which takes samples for independent:
    where one is like the one before it, it is too narrow.
    """
    if len(samples) < FEW:
        return {"mean": None, "low": None, "high": None}
    hours = [taken["seconds"] / HOUR for taken in samples]
    middle, _, low, high = theilslopes([taken[key] for taken in samples], hours, 0.95)
    return {"mean": round(float(middle), 2), "low": round(float(low), 2), "high": round(float(high), 2)}
