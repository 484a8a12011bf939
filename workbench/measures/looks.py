"""Seeds until it is decided: looks after 3, 5 and 8 seeds whose chances of a false verdict add up to no more than 5 %.

A group-sequential design (Pocock, 1977; O'Brien & Fleming, 1979): each look has a level of its own, an entry whose
verdict is known goes no further, and the verdict of the look at which it was known stays. The levels were chosen by
simulation (``python -m bench.declared_tests``): strict at three seeds, where a spread is known roughly, so that eight
seeds lose little to the looks before.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.workbench.measures.statistics import MOST_SEEDS, ROUNDING
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.estimate import Estimate
    from adapter_workbench.workbench.measures.statistics import Array

LOOKS = (3, 5, 8)
POWER = 0.8  # with which a forecast of seeds decides
LEVELS = {3: 0.003, 5: 0.012, 8: 0.040}  # of these three looks together, 5 %, by simulation


def levels(looks: Sequence[int]) -> dict[int, float]:
    """Return number of seeds → level of the look.

    Those of :data:`LOOKS` where these are the looks. Others share 5 % equally: this holds for whatever test
    (Bonferroni), and costs a little power.

    Raises:
        ValueError: the looks are not rising numbers of seeds, the first at least 2.
    """
    numbers = tuple(looks)
    if not numbers or numbers[0] < 2 or any(later <= earlier for earlier, later in pairwise(numbers)):
        raise ValueError(f"looks are rising numbers of seeds from 2 on: got {numbers}")
    return dict(LEVELS) if numbers == LOOKS else dict.fromkeys(numbers, LEVEL / len(numbers))


def looks_up_to(most: int, first: int = LOOKS[0]) -> tuple[int, ...]:
    """Return the looks with at most so many seeds: ``first``, those of :data:`LOOKS` beyond it, then ``most`` itself.

    Raises:
        ValueError: fewer than 2.
    """
    if most < 2:
        raise ValueError(f"a test needs two seeds or more: got {most}")
    return (*sorted(look for look in {first, *LOOKS} if first <= look < most), most)


def chance_to_decide(estimate: Estimate, seeds: int, then: int, level: float, margin: float | None = None) -> float:
    """Return the chance that an estimate is decided once it has more seeds: the predictive power (Spiegelhalter, 1986).

    After n of N seeds the mean at N is the mean now plus t · s √((N − n) ÷ (N n)), with the standard deviation s and
    the degrees of freedom of now, nothing being known of the true difference besides the mean now. It is decided where
    it is further from 0 than the test at N asks, or within the margin by as much. What the sample of test examples adds
    to the error stays as it is.

    Args:
        estimate: from ``seeds`` seeds.
        seeds: n, at least 2.
        then: N, more than n.
        level: of the look at N, divided by the number of hypotheses that are still undecided.
        margin: as in the verdict; None where nothing is called equal.

    Raises:
        ValueError: N is not more than n.
    """
    if not 2 <= seeds < then:
        raise ValueError(f"a forecast is for more seeds than there are, at least 2: got {seeds}, then {then}")
    return float(_chances(estimate, seeds, np.array([then]), level, margin)[0])


def _chances(estimate: Estimate, seeds: int, then: NDArray[np.int_], level: float, margin: float | None) -> Array:
    """Return :func:`chance_to_decide` for numbers of seeds (N,)."""
    if estimate.error <= ROUNDING:
        return np.zeros(len(then))  # nothing tells the spread, and no more seeds are known to
    from scipy.special import stdtr, stdtrit

    deviation = math.sqrt(max(estimate.error**2 - estimate.fixed, 0.0) * seeds)
    freedom = estimate.freedom * (then - 1) / (seeds - 1)
    moves = np.maximum(deviation * np.sqrt((then - seeds) / (then * seeds)), ROUNDING)
    error = np.sqrt(deviation**2 / then + estimate.fixed)
    differs = stdtrit(freedom, 1 - level / 2) * error
    within = -1.0 if margin is None else np.maximum(margin - stdtrit(freedom, 1 - level) * error, 0.0)

    def below(bound: Array | float) -> Array:
        return np.asarray(stdtr(estimate.freedom, (bound - estimate.difference) / moves))

    outside, inside = below(-differs) + 1 - below(differs), below(within) - below(-within)
    return np.where(within >= differs, 1.0, outside + np.maximum(inside, 0.0))


def chance_by_look(
    estimate: Estimate, seeds: int, looks: Iterable[int], hypotheses: int = 1, margin: float | None = None
) -> dict[int, float]:
    """Return number of seeds → :func:`chance_to_decide` at each look that is still ahead.

    Args:
        estimate: from ``seeds`` seeds.
        seeds: how many there are.
        looks: of the design, in order.
        hypotheses: how many are still undecided.
        margin: as in the verdict.
    """
    planned = levels(tuple(looks))
    ahead = {look: level for look, level in planned.items() if look > seeds}
    return {look: chance_to_decide(estimate, seeds, look, level / hypotheses, margin) for look, level in ahead.items()}


def seeds_to_decide(
    estimate: Estimate, seeds: int, hypotheses: int = 1, margin: float | None = None, power: float = POWER
) -> int | None:
    """Return how many seeds decide with a chance of ``power`` in one look at level 0.05; None if none up to 1,000 do.

    Args:
        estimate: from ``seeds`` seeds.
        seeds: how many there are.
        hypotheses: how many the family has that are undecided.
        margin: as in the verdict.
        power: chance that is asked for, in (0, 1).
    """
    then = np.arange(seeds + 1, MOST_SEEDS + 1)
    enough = np.flatnonzero(_chances(estimate, seeds, then, LEVEL / hypotheses, margin) >= power)
    return int(then[enough[0]]) if len(enough) else None
