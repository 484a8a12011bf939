"""Equal tuning: every method tries equally many learning rates, and validation alone says which one it keeps.

The range is log-uniform from a tenth of the method's own learning rate to ten times it. The first try is the method's
own rate; the others are a scrambled Halton sequence (Halton, 1960; Owen, 2017), as Bergstra & Bengio (2012) recommend
for few trials: it covers the range evenly however soon it ends, where TPE would draw its first ten trials at random.
Since it does not look at results, all methods try the same multiples of their own rates, and more trials later are
added to those that are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

SPREAD = 10.0


@dataclass(frozen=True)
class Attempt:
    """One learning rate, tried: the best epoch's score and log-likelihood on the validation split.

    Both are None where the fit failed, as it may at a rate that is too high; it counts as a trial like any other.
    """

    learning_rate: float
    validation: float | None
    log_likelihood: float | None
    seconds: float


def learning_rates(own: float, trials: int) -> tuple[float, ...]:
    """Return ``trials`` learning rates: ``own``, then those of the sequence; fewer are the beginning of more."""
    from scipy.stats import qmc  # takes a while, which whoever tunes nothing need not wait

    low, high = math.log(own / SPREAD), math.log(own * SPREAD)
    places = qmc.Halton(d=1, scramble=True, seed=0).random(max(trials - 1, 0))[:, 0]  # (trials − 1,) in [0, 1)
    return (own, *(math.exp(low + float(place) * (high - low)) for place in places))[:trials]


def choose(tried: Sequence[Attempt]) -> float:
    """Return the learning rate with the best validation score; of equal ones, the likelier; of those, the first tried.

    Raises:
        TrainingError: every one of them failed.
    """
    finished = [one for one in tried if one.validation is not None]
    if not finished:
        rates = ", ".join(f"{one.learning_rate:.2g}" for one in tried)
        raise TrainingError(
            f"no learning rate worked; tried {rates}", hint="Set a smaller one, or leave the method out."
        )
    return max(finished, key=lambda one: (one.validation, one.log_likelihood)).learning_rate
