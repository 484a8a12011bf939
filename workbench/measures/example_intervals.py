"""How sure a score is, over the examples that it was measured on: 95 % intervals of one model's own scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.workbench.measures.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Array

Z = 1.959963984540054  # of a 95 % interval of the normal distribution
RESAMPLES, FEWEST = 2000, 200
MOST_DRAWS = 5 * 10**7  # numbers that are drawn in all, about two seconds; with more rows there are fewer resamples
MOST_NUMBERS = 2**24  # that are in memory at once: 128 MiB


def wilson(hits: int, number: int) -> Interval:
    """Return a share of examples with its score interval (Wilson 1927), which is no point where all or none hit.

    Args:
        hits: how many of the examples.
        number: how many there are; at least one.
    """
    share, square = hits / number, Z**2 / number
    centre = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(share * (1 - share) / number + square / (4 * number))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def bootstrap(counts: Array, times: NDArray[np.int64], statistic: Callable[[Array], Array], seed: int = 0) -> Interval:
    """Return the 95 % percentile interval (Efron & Tibshirani 1993, ch. 13) of a function of sums over examples.

    Args:
        counts: what is summed, (rows, columns).
        times: how many examples have each row, (rows,).
        statistic: sums (resamples, columns) → values (resamples,); a value that is not finite is left out.
        seed: of the draws; equal input gives equal bounds.

    Returns:
        The observed value and its bounds; the bounds are None where too few resamples have a value.
    """
    generator, number = np.random.default_rng(seed), int(times.sum())
    resamples = max(FEWEST, min(RESAMPLES, MOST_DRAWS // max(len(counts), 1)))
    observed = float(statistic((times @ counts)[None, :])[0])
    block, values = max(1, MOST_NUMBERS // max(len(counts), 1)), []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = generator.multinomial(number, times / number, size=size)  # (size, rows)
        values.append(statistic(drawn @ counts))
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    if len(known) < resamples // 2 or not math.isfinite(observed):
        return Interval(observed if math.isfinite(observed) else None, None, None)
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(observed, float(low), float(high))
