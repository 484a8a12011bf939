"""How sure a difference is where test examples of several tasks have one source: sources are resampled, not rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.measures.statistics import MOST_COUNTS, Interval

MOST_TOGETHER = 500  # pairs that share draws: 40 MB of resampled differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Array


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
    return clustered_bootstraps([(first, second)], sources, seed=seed, resamples=resamples)[0]


def clustered_bootstraps(
    pairs: Sequence[tuple[Sequence[Array], Sequence[Array]]],
    sources: Sequence[NDArray[Any]],
    *,
    seed: int = 0,
    resamples: int = 10_000,
) -> list[Interval | None]:
    """Return :func:`clustered_bootstrap` of each of many pairs of models that were tested on the same examples.

    All share their draws: drawing takes most of the time, and a draw does not depend on who is compared.
    """
    _, numbers = np.unique(np.concatenate([np.empty(0), *sources]), return_inverse=True)
    observed = [_gaps(*pair, sources) for pair in pairs]
    intervals: list[Interval | None] = [None] * len(pairs)
    measured = [index for index, gaps in enumerate(observed) if gaps]
    for start in range(0, len(measured), MOST_TOGETHER):
        batch = measured[start : start + MOST_TOGETHER]
        parts = [_parts(observed[index] or []) for index in batch]
        added: Array = np.stack([np.bincount(numbers, of_pair).astype(float) for of_pair in parts], axis=1)
        bounds = _bounds(added, np.random.default_rng(seed), resamples)
        for index, (low, high) in zip(batch, bounds, strict=True):
            means = [mean for _, mean in observed[index] or []]
            mean = math.fsum(means) / len(means)
            intervals[index] = Interval(mean, mean + low, mean + high)
    return intervals


def _gaps(
    first: Sequence[Array], second: Sequence[Array], sources: Sequence[NDArray[Any]]
) -> list[tuple[Array, float]] | None:
    """Return for each task the differences (n_j,) and their mean; None where they are not known."""
    gaps = []
    for scores, other_scores, own in zip(first, second, sources, strict=True):
        if not len(scores) == len(other_scores) == len(own):
            raise ValueError(f"not the same examples: {len(scores)}, {len(other_scores)} and {len(own)} sources")
        difference = np.asarray(scores, dtype=float) - np.asarray(other_scores, dtype=float)  # (n_j,)
        if not len(difference) or not np.isfinite(difference).all():
            return None
        gaps.append((difference, math.fsum(difference) / len(difference)))
    return gaps


def _parts(gaps: Sequence[tuple[Array, float]]) -> Array:
    """Return what each example of all tasks adds to the difference, (N,)."""
    return np.concatenate([(difference - mean) / (len(gaps) * len(difference)) for difference, mean in gaps])


def _bounds(added: Array, generator: np.random.Generator, resamples: int) -> Iterator[tuple[float, float]]:
    """Yield for each pair the 95 % bounds of what resampled sources add; ``added``: (sources, pairs)."""
    values, counts = np.unique(added.round(15), axis=0, return_counts=True)  # (k, pairs): alike sources are one draw
    sums = np.empty((resamples, added.shape[1]))
    step = max(8, MOST_COUNTS // len(values) // 8 * 8)
    for start in range(0, resamples, step):
        block = sums[start : start + step]
        block[:] = generator.multinomial(len(added), counts / len(added), size=len(block)).astype(float) @ values
    for column in sums.T:
        low, high = np.quantile(column, [0.025, 0.975])
        yield float(low), float(high)
