"""Seeds that collapsed: they end far below the others of the same row, which no test of a mean can allow for.

A row that loses 20 points with one seed of ten has such a seed in four of ten samples of five. Where it is not in the
sample, the mean of what was seen is 2 points above the true one, and a small spread says so: tests of the mean err in
15 to 35 % of cases instead of 5 %. Where it is in the sample, the spread is so large that nothing is decided. So a
collapse is said in words, and the worst seed stands beside the mean.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Array

LEAST_GAP = 0.05  # below the lowest of the others, as a share
DEVIATIONS = 4.0  # the same in standard deviations of the others


def collapsed(values: Array, least: float = LEAST_GAP) -> NDArray[np.bool_]:
    """Return which seeds (…, S) collapsed: fewer than half, all below a gap that the spread of the others is far from.

    The gap is the widest of those below which fewer than half of the seeds are. It is at least ``least``, and at least
    :data:`DEVIATIONS` standard deviations of the seeds above it.

    Args:
        values: scores of a row, one a seed, where higher is better; none may be missing.
        least: in the unit of the scores.
    """
    seeds = values.shape[-1]
    most = (seeds - 1) // 2
    if not most:
        return np.zeros(values.shape, dtype=bool)
    order = np.sort(values, axis=-1)
    gaps = np.diff(order, axis=-1)[..., :most]
    spreads = np.stack([order[..., below:].std(-1, ddof=1) for below in range(1, most + 1)], axis=-1)
    wide = np.where(gaps >= np.maximum(least, DEVIATIONS * spreads), gaps, -np.inf)
    lowest = np.take_along_axis(order, wide.argmax(-1)[..., None] + 1, -1)  # (…, 1) of the seeds above the gap
    return np.asarray((values < lowest) & np.isfinite(wide.max(-1))[..., None])


def collapsed_seeds(values: Sequence[float | None], seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds that collapsed, of a row whose scores are in [0, 1]; a seed without a score is left out."""
    known = [(seed, value) for seed, value in zip(seeds, values, strict=True) if value is not None]
    if len(known) < 3:
        return ()
    below = collapsed(np.array([value for _, value in known]))
    return tuple(seed for (seed, _), is_below in zip(known, below, strict=True) if is_below)


def may_collapse(seeds: int, level: float = 0.05) -> float:
    """Return the largest share of seeds that may collapse although none of so many did, at this level.

    The exact bound of Clopper & Pearson (1934) for 0 of n: 1 − level^(1/n).
    """
    return 1 - math.pow(level, 1 / seeds)
