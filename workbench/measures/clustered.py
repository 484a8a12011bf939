"""How sure a difference is where test examples of several tasks have one source: sources are resampled, not rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.measures.statistics import MOST_COUNTS, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from workbench.measures.statistics import Array


def clustered_bootstrap(
    first: Sequence[Array],
    second: Sequence[Array],
    sources: Sequence[NDArray[Any]],
    *,
    seed: int = 0,
    resamples: int = 10_000,
) -> Interval | None:
    """Return the 95 % percentile interval of ``first − second`` in average accuracy, over sources of test examples.

    A text that several tasks ask something of is drawn once for all of them (Field & Welsh, 2007: the cluster
    bootstrap). What a source adds to the difference is Σ (d_ij − d̄_j) ÷ (T n_j) over its rows i of tasks j: the average
    over tasks is a sum of ratios, which is taken to first order. With a source for each row this is the bootstrap of
    rows.

    Args:
        first: for each task an array (n_j,) of examples' scores.
        second: the same examples in the same order.
        sources: for each task (n_j,), the same number for what comes from one source, in whichever task.
        seed: seeds the draws; equal input gives equal bounds.
        resamples: number of draws.

    Returns:
        The observed difference and its bounds, without values; None where there is no task, or one is empty or has
        outcomes that are not numbers.

    Raises:
        ValueError: the three do not hold the same number of tasks, or of examples in a task.
    """
    observed, parts = [], []
    for scores, other_scores, own in zip(first, second, sources, strict=True):
        if not len(scores) == len(other_scores) == len(own):
            raise ValueError(f"not the same examples: {len(scores)}, {len(other_scores)} and {len(own)} sources")
        difference = np.asarray(scores, dtype=float) - np.asarray(other_scores, dtype=float)  # (n_j,)
        if not len(difference) or not np.isfinite(difference).all():
            return None
        observed.append(math.fsum(difference) / len(difference))
        parts.append((difference - observed[-1]) / (len(first) * len(difference)))
    if not observed:
        return None
    mean = math.fsum(observed) / len(observed)
    _, source_numbers = np.unique(np.concatenate(list(sources)), return_inverse=True)
    added = np.bincount(source_numbers, np.concatenate(parts))  # (sources,)
    values, counts = np.unique(added.round(15), return_counts=True)
    generator, draws = np.random.default_rng(seed), np.zeros(resamples)
    step = max(8, MOST_COUNTS // len(values) // 8 * 8)
    for start in range(0, resamples, step):
        block = draws[start : start + step]
        block += generator.multinomial(len(added), counts / len(added), size=len(block)) @ values
    low, high = np.quantile(mean + draws, [0.025, 0.975])
    return Interval(mean, float(low), float(high))
