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
FEW_RESAMPLES = 99  # where only a mean over deals is wanted
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
    both = first + second
    there = both > 0
    differences = _differences_of_shares(first, second, resamples, seed)[:, there]
    return _chance((differences**2 / (both[there] / both.sum())).sum(axis=1))


def shares_moved(dealt: NDArray[np.float32], has: NDArray[np.bool_]) -> float:
    """Return which share of the second sample has to be other rows for its labels to be shared out as they are.

    If a share π of its rows comes from elsewhere, and all others are like the first sample, then no share of rows with
    any property moves by more than π. So the largest move is the least π: half of Σ_k |share of k in the second − in
    the first| where a row has one label, else the largest of these differences. Chance moves shares too: the mean move
    of random deals is subtracted, and the first FEW_RESAMPLES of them are enough for a mean.

    Args:
        dealt: :func:`contrasts` of the rows.
        has: whether a row has a label, (rows, labels).
    """
    differences = np.abs(dealt[: 1 + FEW_RESAMPLES] @ has.astype(np.float32))  # (deals, labels)
    exclusive = bool((has.sum(axis=1) == 1).all())
    return beyond_chance(differences.sum(axis=1) / 2 if exclusive else differences.max(axis=1))


def counts_moved(first: NDArray[np.int64], second: NDArray[np.int64], seed: int = 0) -> float:
    """Return :func:`shares_moved` where each row has one label and only counts are known, as :func:`counts_differ`."""
    return beyond_chance(np.abs(_differences_of_shares(first, second, FEW_RESAMPLES, seed)).sum(axis=1) / 2)


def _differences_of_shares(
    first: NDArray[np.int64], second: NDArray[np.int64], resamples: int, seed: int
) -> NDArray[np.float64]:
    """Return share in the second sample − in the first of each label, as counted and then dealt (deals, labels)."""
    both, number, other = first + second, int(first.sum()), int(second.sum())
    generator = np.random.default_rng(seed)
    drawn = generator.multivariate_hypergeometric(both, other, size=resamples, method="marginals")
    counts = np.concatenate([second[None, :], drawn])  # (deals, labels) of the second sample
    differences: NDArray[np.float64] = counts / other - (both - counts) / number
    return differences


def values_moved(dealt: NDArray[np.float32], values: NDArray[Any]) -> float:
    """Return :func:`shares_moved` of numbers: the largest difference of shares below any bound (Kolmogorov & Smirnov).

    Args:
        dealt: :func:`contrasts` of the rows.
        values: (rows,).
    """
    order = np.argsort(values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)  # of equal values, the last
    few = dealt[: 1 + FEW_RESAMPLES, order]
    below = np.cumsum(few, axis=1, dtype=np.float64)[:, ends]  # (deals, bounds)
    return beyond_chance(np.abs(below).max(axis=1))


def vectors_moved(first: NDArray[Any], second: NDArray[Any], seed: int = 0) -> float:
    """Return :func:`shares_moved` of vectors, along the line on which the samples' means differ.

    The line is fitted on one half of both samples, and the other half is read on it; then the other way round. So rows
    that are drawn alike differ by chance alone, which is subtracted.

    Args:
        first: (rows, h).
        second: (rows, h).
        seed: of the halves and the random deals.
    """
    if min(len(first), len(second)) < 4:
        return 0.0
    generator, moved = np.random.default_rng(seed), []
    halves = [np.array_split(generator.permutation(len(rows)), 2) for rows in (first, second)]
    for fitted, read in ((0, 1), (1, 0)):
        line = second[halves[1][fitted]].mean(axis=0) - first[halves[0][fitted]].mean(axis=0)
        ours, theirs = first[halves[0][read]] @ line, second[halves[1][read]] @ line
        dealt = contrasts(len(ours), len(theirs), FEW_RESAMPLES, seed)
        moved.append(values_moved(dealt, np.concatenate([ours, theirs])))
    return float(np.mean(moved))


def beyond_chance(moves: NDArray[Any]) -> float:
    """Return by how much the first of these moves exceeds the mean of the others, which chance made; at least 0."""
    return float(max(0.0, moves[0] - moves[1:].mean()))


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
