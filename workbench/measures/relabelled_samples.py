"""Permutation tests of two samples: is what differs between them more than when rows are dealt out at random?

A permutation test needs no distribution and no large counts. Under "both samples are drawn alike", its p is at most the
level as often as the level says, for any number of rows (Phipson & Smyth 2010, arXiv:1603.05766).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 499  # the smallest p is 1 ÷ 500
ROUNDING = 1e-5  # relative: statistics in single precision that differ by less are equal


def contrasts(first: int, second: int, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float32]:
    """Return how rows are dealt out to two samples: first as they are, then at random.

    Args:
        first: rows of the first sample, which stand first.
        second: rows of the second sample.
        resamples: random deals.
        seed: of the deals.

    Returns:
        (1 + resamples, first + second): 1 ÷ second for a row of the second sample, −1 ÷ first for one of the first. So
        contrasts @ values are differences of means, second − first.
    """
    generator = np.random.default_rng(seed)
    dealt = np.full((1 + resamples, first + second), -1 / first, dtype=np.float32)
    dealt[0, first:] = 1 / second
    for row in dealt[1:]:
        row[generator.permutation(first + second)[:second]] = 1 / second
    return dealt


def shares_differ(dealt: NDArray[np.float32], has: NDArray[np.bool_]) -> float:
    """Return the p of "every label has the same share in both samples".

    The statistic is Σ_k (share of k in the second − in the first)² ÷ share of k in both: Pearson's χ² (1900) up to a
    factor where a row has one label. A row may have several labels or none.

    Args:
        dealt: :func:`contrasts` of the rows.
        has: whether a row has a label, (rows, labels).
    """
    shares = has.mean(axis=0)
    there = shares > 0
    differences = dealt @ has[:, there].astype(np.float32)  # (deals, labels)
    return _chance((differences.astype(np.float64) ** 2 / shares[there]).sum(axis=1))


def counts_differ(
    first: NDArray[np.int64], second: NDArray[np.int64], resamples: int = RESAMPLES, seed: int = 0
) -> float:
    """Return the p of :func:`shares_differ` where each row has one label and only counts are known.

    Args:
        first: how many rows of the first sample have each label, (labels,).
        second: the same of the second sample.
        resamples: random deals, each one draw from the multivariate hypergeometric distribution.
        seed: of the deals.
    """
    both, number, other = first + second, int(first.sum()), int(second.sum())
    generator = np.random.default_rng(seed)
    drawn = generator.multivariate_hypergeometric(both, other, size=resamples, method="marginals")
    counts = np.concatenate([second[None, :], drawn])[:, both > 0]  # (deals, labels) of the second sample
    there = both[both > 0]
    differences = counts / other - (there - counts) / number
    return _chance((differences**2 / (there / there.sum())).sum(axis=1))


def vectors_differ(dealt: NDArray[np.float32], distances: NDArray[np.float32]) -> float:
    """Return the p of "vectors of both samples are drawn alike", by their energy distance.

    Args:
        dealt: :func:`contrasts` of the rows.
        distances: between all rows, (rows, rows): :func:`distances_between`.
    """
    return _chance(energy_distances(dealt, distances))


def energy_distances(dealt: NDArray[np.float32], distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the energy distance of both samples for each deal (deals,) (Székely & Rizzo 2013).

    It is 2 E‖x − y‖ − E‖x − x′‖ − E‖y − y′‖ over all pairs of rows, which is −cᵀDc for a contrast c and distances D. It
    is 0 only for equal samples, whatever differs between others.

    Args:
        dealt: :func:`contrasts` of the rows.
        distances: between all rows, (rows, rows).
    """
    energies: NDArray[np.float64] = -np.einsum("br,br->b", dealt @ distances, dealt, dtype=np.float64)
    return energies


def distances_between(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float32]:
    """Return Euclidean distances between vectors (first, h) and (second, h): (first, second)."""
    ours, theirs = (np.asarray(vectors, dtype=np.float32) for vectors in (first, second))
    squares = (ours**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1) - 2 * (ours @ theirs.T)
    distances: NDArray[np.float32] = np.sqrt(np.maximum(squares, 0))
    return distances


def _chance(statistics: NDArray[np.float64]) -> float:
    """Return (1 + deals at least as extreme) ÷ (1 + deals), where the first statistic is the observed one."""
    observed, rest = statistics[0], statistics[1:]
    return float((1 + (rest >= observed - ROUNDING * abs(observed)).sum()) / (1 + len(rest)))
