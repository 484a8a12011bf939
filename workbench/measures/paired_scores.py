"""How much one model scores below another on the same examples: an interval, and whether it is more than a bound.

The sample is that of the examples alone. What another training of the same recipe would lose is not in it: that takes
seeds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from adapter_workbench.workbench.measures.example_intervals import Z
from adapter_workbench.workbench.measures.statistics import Interval
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Array

HALVINGS = 60  # of the interval from −1 to 1: to the last bit of a float
MOST_COUNTED = 1_500  # lost answers that power is summed over; with more, the normal distribution is as good


Reading = Literal["lost", "gained", "undecided"]


def reading(lost: float | None, p: float | None) -> Reading:
    """Return whether a task was lost or gained, at the level of 0.05.

    Args:
        lost: mean drop.
        p: two-sided, of no drop and no gain, adjusted where there are several tasks; None where it cannot be told.
    """
    if p is None or p >= LEVEL or not lost:
        return "undecided"
    return "lost" if lost > 0 else "gained"


def drop(before: Array, after: Array) -> Interval:
    """Return the mean of ``before − after`` with its 95 % interval over examples.

    Where each score is 0 or 1, it is the score interval of Tango (1998, Statistics in Medicine 17, 891-908), which is
    no point where no answer changed. Else it is Student's t interval, without bounds for fewer than two examples.

    Args:
        before: score of each example, (n,); at least one.
        after: of the same examples in the same order, (n,).
    """
    if counts := _changed(before, after):
        lost, gained = counts
        mean = (lost - gained) / len(before)
        return Interval(mean, _inverse(lost, gained, len(before), Z), _inverse(lost, gained, len(before), -Z))
    differences = np.asarray(before, dtype=float) - np.asarray(after, dtype=float)
    mean = float(differences.mean())
    if len(differences) < 2:
        return Interval(mean, None, None)
    from scipy.special import stdtrit

    half = float(stdtrit(len(differences) - 1, 0.975)) * _error(differences)
    return Interval(mean, mean - half, mean + half)


def chance_of_more(before: Array, after: Array, bound: float = 0.0) -> float | None:
    """Return the one-sided p of a mean drop of at most ``bound``: small where ``after`` has lost more than that.

    It belongs to the interval of :func:`drop`: at p = 0.025 the bound is its lower end. None where differences that are
    no shares do not vary, or are fewer than two.

    Args:
        before: see :func:`drop`.
        after: see :func:`drop`.
        bound: a share, in [0, 1).
    """
    if counts := _changed(before, after):
        return _above(_tango(*counts, len(before), bound))
    differences = np.asarray(before, dtype=float) - np.asarray(after, dtype=float) - bound
    if len(differences) < 2:
        return None
    error = _error(differences)
    if error == 0:
        return None
    from scipy.special import stdtr

    return float(stdtr(len(differences) - 1, -differences.mean() / error))


def chance_of_none(before: Array, after: Array) -> float | None:
    """Return the two-sided p of no drop and no gain: McNemar's without correction where each score is 0 or 1."""
    one_sided = chance_of_more(before, after)
    if one_sided is None:
        return 1.0 if np.array_equal(before, after) else None
    return min(1.0, 2 * min(one_sided, 1 - one_sided))


def chance_of_difference(before: Array, after: Array, margin: float) -> float | None:
    """Return the p of a drop or a gain of at least ``margin``: two one-sided tests, the larger p (Schuirmann 1987).

    Args:
        before: see :func:`drop`.
        after: see :func:`drop`.
        margin: a share, in (0, 1).
    """
    lost, gained = chance_of_more(before, after, margin), chance_of_more(after, before, margin)
    return None if lost is None or gained is None else 1 - min(lost, gained)


def chance_of_loss(before: Array, after: Array, margin: float) -> float | None:
    """Return the one-sided p of a drop of at least ``margin``: small where ``after`` is shown to lose less than that.

    It is the test of non-inferiority that belongs to :func:`drop`: p is below 0.05 where the upper end of the 90 %
    interval is below the margin. None as for :func:`chance_of_more`.
    """
    p = chance_of_more(before, after, margin)
    return None if p is None else 1 - p


def power_to_rule_out(before: Array, after: Array, margin: float, level: float = LEVEL) -> float | None:
    """Return the chance that :func:`chance_of_loss` is below ``level`` if nothing is lost, with as many examples.

    Of shares it is the sum over all numbers of lost and gained answers, which are equally likely; that the two answers
    to an example differ is as likely as ``(changed + 1) ÷ (n + 2)``, since none may have changed. Of other scores it is
    that of a normal mean. None where these do not vary, or are fewer than two.

    Args:
        before: see :func:`drop`.
        after: see :func:`drop`.
        margin: a share, in (0, 1).
        level: of the test.
    """
    if counts := _changed(before, after):
        return _power(len(before), (sum(counts) + 1) / (len(before) + 2), margin, level)
    differences = np.asarray(before, dtype=float) - np.asarray(after, dtype=float)
    if len(differences) < 2 or not (error := _error(differences)):
        return None
    return _normal_power(margin / error, level)


def _power(number: int, changed: float, margin: float, level: float) -> float:
    """Return the power for ``number`` examples, of whose answers the share ``changed`` differs."""
    most = math.ceil(number * changed / 2 + 6 * math.sqrt(number * changed / 2)) + 10
    if most > MOST_COUNTED:
        return _normal_power(margin * math.sqrt(number / changed), level)
    from scipy.special import gammaln, ndtri, xlogy

    lost, gained = np.meshgrid(np.arange(most + 1), np.arange(most + 1), indexing="ij")
    same = number - lost - gained
    possible = same >= 0
    lost, gained, same = lost[possible], gained[possible], same[possible]
    ways = gammaln(number + 1) - gammaln(lost + 1) - gammaln(gained + 1) - gammaln(same + 1)
    chance = np.exp(ways + xlogy(lost + gained, changed / 2) + xlogy(same, 1 - changed))
    shown = _tango_of(lost, gained, number, margin) < ndtri(level)
    return float(chance[shown].sum())


def _normal_power(distance: float, level: float) -> float:
    """Return the power of a one-sided test of a normal mean that lies ``distance`` standard errors from the bound."""
    from scipy.special import ndtr, ndtri

    return float(ndtr(distance + ndtri(level)))


def _changed(before: Array, after: Array) -> tuple[int, int] | None:
    """Return how many examples went from 1 to 0 and from 0 to 1; None where there are other scores."""
    both = np.concatenate([before, after])
    if not len(before) or not np.isin(both, (0.0, 1.0)).all():
        return None
    return int(((before == 1) & (after == 0)).sum()), int(((before == 0) & (after == 1)).sum())


def _tango(lost: int, gained: int, number: int, bound: float) -> float:
    """Return Tango's statistic of a drop of ``bound`` in a paired share, standard normal if that is the true drop."""
    if bound < 0:
        return -_tango(gained, lost, number, -bound)
    q = _likeliest_gain(lost, gained, number, bound, math.sqrt)
    distance, variance = lost - gained - number * bound, number * (2 * q + bound * (1 - bound))
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _tango_of(lost: NDArray[np.int64], gained: NDArray[np.int64], number: int, bound: float) -> Array:
    """Return :func:`_tango` of many counts at once, for a bound above 0, (k,)."""
    q = _likeliest_gain(lost, gained, number, bound, np.sqrt)
    statistic: Array = (lost - gained - number * bound) / np.sqrt(number * (2 * q + bound * (1 - bound)))
    return statistic


def _likeliest_gain(lost: Any, gained: Any, number: int, bound: float, root: Callable[[Any], Any]) -> Any:
    """Return the likeliest share of examples that gain where the drop is ``bound``, of numbers or of arrays, (k,).

    ``root`` is the square root for these; that of arrays is slow for single numbers.
    """
    linear = (2 * number - lost + gained) * bound - lost - gained
    constant = -gained * bound * (1 - bound)
    return (root(linear**2 - 8 * number * constant) - linear) / (4 * number)


def _inverse(lost: int, gained: int, number: int, value: float) -> float:
    """Return the drop at which the statistic, which falls as the drop grows, has ``value``."""
    low, high = -1.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _tango(lost, gained, number, middle) > value else (low, middle)
    return (low + high) / 2


def _above(value: float) -> float:
    """Return the chance that a standard normal number is above ``value``."""
    return math.erfc(value / math.sqrt(2)) / 2


def _error(differences: Array) -> float:
    return float(differences.std(ddof=1)) / math.sqrt(len(differences))
