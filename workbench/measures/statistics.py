"""How sure a number is: t intervals over seeds, bootstraps over examples, paired tests and their adjustment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_SEEDS = 1000  # that anybody is advised to run
LARGEST_EFFECT = 25.0  # in standard deviations: beyond it the noncentral t distribution is no longer computed
ROUNDING = 1e-12  # numbers that differ by less are equal
MOST_COUNTS = 2**24  # of drawn values that are in memory at once: 128 MiB
Array: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval; the bounds are None where there is too little to compute one.

    Attributes:
        mean: mean of the values that are there; None where none is.
        low: lower bound.
        high: upper bound.
        values: what was averaged, in the order given, None where a value is missing.
    """

    mean: float | None
    low: float | None
    high: float | None
    values: tuple[float | None, ...] = ()

    @property
    def holds_zero(self) -> bool | None:
        """Whether 0 lies inside the bounds; None where there are no bounds."""
        return None if self.low is None or self.high is None else self.low <= 0 <= self.high

    def as_json(self) -> dict[str, Any]:
        """Return ``{mean, low, high, values}``, None for what is not known; ``values`` only where there are any."""
        bounds = {"mean": self.mean, "low": self.low, "high": self.high}
        return {**bounds, "values": list(self.values)} if self.values else bounds


def interval(values: Iterable[float | None], floor: float | None = 0.0) -> Interval:
    """Return the mean and its 95 % t interval (Student, 1908), mean ± t(0.975, n − 1) · s / √n, over seeds.

    A missing value (None or NaN) stays visible in ``values`` and is left out of the mean. One value alone has no
    interval.

    Args:
        values: one a seed.
        floor: for differences: the least that s can be, see :func:`paired_t_test`, where equal values that are not 0
            have no interval if it is None.
    """
    given = tuple(None if value is None else finite(float(value)) for value in values)
    present = np.array([value for value in given if value is not None])
    mean = mean_of(present)
    if mean is None or len(present) < 2:
        return Interval(mean, None, None, given)
    spread = _spread(present, floor)
    if spread is None:
        return Interval(mean, None, None, given)
    from scipy.special import stdtrit  # not for a lone seed, which is what most commands see

    half = float(stdtrit(len(present) - 1, 0.975)) * spread / math.sqrt(len(present))
    return Interval(mean, mean - half, mean + half, given)


def paired_bootstrap(
    first: Sequence[Array], second: Sequence[Array], *, seed: int = 0, resamples: int = 10_000
) -> Interval | None:
    """Return the 95 % percentile interval of ``first − second`` in average accuracy, over test examples.

    Each task's test split is resampled with replacement, the same examples for both strategies (Efron & Tibshirani,
    1993; Koehn, 2004, for the pairing), and the macro average over tasks is taken anew. The differences of an
    example mostly take few distinct values, k, so a resample is one multinomial draw over them: the same distribution
    as drawing indices, at a cost that grows with k and not with the number of examples. Where k is large, as scores are
    continuous, the resamples are drawn in blocks, so that memory does not grow with it.

    Args:
        first: for each task an array (n_j,) of examples' scores, the mean over seeds (of correct, 1, or not, 0).
        second: the same examples in the same order.
        seed: seeds the draws; equal input gives equal bounds.
        resamples: number of draws.

    Returns:
        The observed difference and its bounds, without values; None where there is no task or a task is empty or has
        outcomes that are not numbers.

    Raises:
        ValueError: the two do not hold the same number of tasks, or of examples in a task.
    """
    generator = np.random.default_rng(seed)
    observed, draws = [], np.zeros(resamples)
    for scores, other_scores in zip(first, second, strict=True):
        if len(scores) != len(other_scores):
            raise ValueError(f"a paired bootstrap needs the same examples: got {len(scores)} and {len(other_scores)}")
        difference = np.asarray(scores, dtype=float) - np.asarray(other_scores, dtype=float)  # (n_j,)
        if not len(difference) or not np.isfinite(difference).all():
            return None
        values, counts = np.unique(difference, return_counts=True)  # (k,) distinct differences
        step = max(8, MOST_COUNTS // len(values) // 8 * 8)  # with all rows in eights, sums are those of one block
        for start in range(0, resamples, step):
            block = draws[start : start + step]
            weights = generator.multinomial(len(difference), counts / len(difference), size=len(block))  # (≤ step, k)
            block += weights @ values / len(difference)
        observed.append(math.fsum(difference) / len(difference))
    if not observed:
        return None
    low, high = np.quantile(draws / len(observed), [0.025, 0.975])
    return Interval(math.fsum(observed) / len(observed), float(low), float(high))


def paired_t_test(differences: Sequence[float | None], floor: float | None = None) -> float | None:
    """Return the two-sided p of mean difference = 0 (Student, 1908); None for fewer than two differences.

    Scores move in steps of a test example, so that two differences are equal by chance in 3 to 10 % of cases, whatever
    their true spread. Equal differences that are not 0 would have p = 0; with ``floor`` they have the p of the least
    spread that can be told, without it none. Where all are 0, p is 1.

    Args:
        differences: one a seed.
        floor: the least standard deviation, :func:`adapter_workbench.workbench.measures.granularity.least_spread`.
    """
    present = np.array([value for value in differences if value is not None])
    if len(present) < 2:
        return None
    mean, spread = float(np.mean(present)), _spread(present, floor)
    if spread is None:
        return None
    if spread == 0:
        return 1.0
    from scipy.special import stdtr

    return float(2 * stdtr(len(present) - 1, -abs(mean) * math.sqrt(len(present)) / spread))


def _spread(values: Array, floor: float | None) -> float | None:
    """Return the standard deviation, at least ``floor``; 0 where all values are 0, None where nothing tells it."""
    equal = bool(np.ptp(values) <= ROUNDING)
    if equal and abs(values[0]) <= ROUNDING:
        return 0.0
    if equal and floor is None:
        return None
    return max(0.0 if equal else float(np.std(values, ddof=1)), floor or 0.0)


def holm(chances: Sequence[float | None]) -> list[float | None]:
    """Return the p values adjusted so that any false "differs" among them has at most the level's chance.

    Holm (1979): the k-th smallest of m is multiplied by m − k + 1, and none may be smaller than the one before it.
    A test that could not be made (None) does not count.
    """
    adjusted: list[float | None] = [None] * len(chances)
    ranked = sorted((p, index) for index, p in enumerate(chances) if p is not None)
    largest = 0.0
    for rank, (p, index) in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * p))
        adjusted[index] = largest
    return adjusted


def seeds_for(
    difference: float, deviation: float, tests: int = 1, power: float = 0.8, rows: float = 1.0, fixed: float = 0.0
) -> int | None:
    """Return how many seeds tell a mean difference apart from 0 with a chance of ``power``, by the paired t-test.

    The smallest n whose two-sided t-test at level 0.05 ÷ ``tests`` rejects so often, from the noncentral t
    distribution (Cohen, 1988, ch. 2). Dividing the level is what Holm's rule asks of the smallest p of a family, so
    that the answer errs on the side of more seeds.

    Args:
        difference: the true difference that should be found, in the unit of ``deviation``.
        deviation: standard deviation of the differences at equal seeds.
        tests: how many tests the family has.
        power: chance to find it, in (0, 1).
        rows: degrees of freedom of the deviation for each seed after the first: 1 where it is the differences' own,
            R − 1 where R rows share one variance.
        fixed: variance of the mean that no further seed lowers.

    Returns:
        At least 2; None where no number up to :data:`MOST_SEEDS` is enough.

    Raises:
        ValueError: the difference is 0, or another argument is out of range.
    """
    if not difference or deviation < 0 or tests < 1 or not 0 < power < 1:
        raise ValueError(f"no such test: difference {difference}, deviation {deviation}, {tests} tests, power {power}")
    if deviation == 0 and fixed == 0:
        return 2
    from scipy.special import nctdtr, stdtrit

    enough = np.arange(2, MOST_SEEDS + 1)
    freedom = rows * (enough - 1)
    critical = stdtrit(freedom, 1 - 0.05 / tests / 2)
    effect = abs(difference) / np.sqrt(deviation**2 + fixed * enough)
    shift = np.minimum(effect, LARGEST_EFFECT) * np.sqrt(enough)
    wrong_side = np.nan_to_num(nctdtr(freedom, shift, -critical))  # too small to be computed for large effects
    rejects = 1 - nctdtr(freedom, shift, critical) + wrong_side
    indices = np.flatnonzero(rejects >= power)
    return int(enough[indices[0]]) if len(indices) else None


def mean_of(values: Array) -> float | None:
    """Return the mean, the same for every order of the values; None where there is no value or one is NaN."""
    if not len(values):
        return None
    if np.all(values == values[0]):  # a mean of equal values is that value, without a rounding error
        return finite(float(values[0]))
    return finite(math.fsum(values) / len(values))


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are there; None where none is."""
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None


def finite(value: float) -> float | None:
    """Return ``value``; None where it is infinite or not a number."""
    return value if math.isfinite(value) else None
