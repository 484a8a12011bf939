"""Two samples of different rows: tests and intervals of ranks, shares and exceedances, all without a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.measures.example_intervals import wilson
from adapter_workbench.workbench.measures.statistics import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Exceedances:
    """How many values of a new sample are beyond nearly all values of a reference."""

    bound: float  # the reference's value beyond which a value counts
    beyond: NDArray[np.bool_]  # for each value of the new sample whether it is beyond, (n,)
    p: float  # the chance of so many or more if both samples are drawn alike


def ranks_differ(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the two-sided p of Mann & Whitney (1947): values of one sample tend to be larger than the other's.

    Both are (n,), without NaN, at least one value each.
    """
    if np.ptp(np.concatenate([first, second])) == 0:
        return 1.0
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(first, second, alternative="two-sided").pvalue)


def share_is_higher(hits: int, number: int, other_hits: int, other_number: int) -> float:
    """Return the p of Fisher's exact test (1935) of "the first share is not higher than the other".

    Args:
        hits: of the first sample.
        number: rows of the first sample.
        other_hits: of the other sample.
        other_number: rows of the other sample.
    """
    from scipy.stats import hypergeom

    return float(min(1.0, hypergeom.sf(hits - 1, number + other_number, hits + other_hits, number)))


def share_difference(hits: int, number: int, other_hits: int, other_number: int) -> Interval:
    """Return the first share − the other, with its 95 % interval, for samples of different rows.

    Newcombe's hybrid score interval (1998, Statistics in Medicine 17:873–890, method 10): the bounds of both shares'
    Wilson intervals, combined by squares.
    """
    first, other = wilson(hits, number), wilson(other_hits, other_number)
    assert first.mean is not None and first.low is not None and first.high is not None
    assert other.mean is not None and other.low is not None and other.high is not None
    difference = first.mean - other.mean
    below = np.hypot(first.mean - first.low, other.high - other.mean)
    above = np.hypot(first.high - first.mean, other.mean - other.low)
    return Interval(difference, difference - float(below), difference + float(above))


def exceedances(reference: NDArray[Any], new: NDArray[Any], share: float) -> Exceedances | None:
    """Return how many of ``new`` are beyond a bound that at most ``share`` of new values exceed, if drawn alike.

    The bound is the k-th largest of the m reference values, k = ⌊share · (m + 1)⌋, as in split conformal prediction
    (Bates et al. 2023, arXiv:2104.08279). The number of n new values beyond it is then beta-binomial, with k and
    m + 1 − k, whatever the distribution is. Ties make the p larger.

    Args:
        reference: values of the reference, (m,).
        new: values of the new sample, (n,).
        share: of new values that may be beyond, in (0, 1).

    Returns:
        None where the reference is too small for any bound: k = 0.
    """
    order = int(share * (len(reference) + 1))
    if order == 0:
        return None
    from scipy.stats import betabinom

    bound = float(np.sort(reference)[-order])
    beyond = np.asarray(new) > bound
    chance = betabinom.sf(int(beyond.sum()) - 1, len(new), order, len(reference) + 1 - order)
    return Exceedances(bound, beyond, float(min(1.0, chance)))
