"""Equal tuning: every method tries equally many learning rates, and validation alone says which one it keeps.

The range is log-uniform from a tenth of the method's own learning rate to ten times it. The first try is the method's
own rate; the others are a scrambled Halton sequence (Halton, 1960; Owen, 2017), as Bergstra & Bengio (2012) recommend
for few trials: it covers the range evenly however soon it ends, where TPE would draw its first ten trials at random.
Since it does not look at results, all methods try the same multiples of their own rates, and more trials later are
added to those that are there.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optuna import Study

SPREAD = 10.0
NAME = "learning_rate"


@dataclass(frozen=True)
class Attempt:
    """One learning rate, tried: the best epoch's score and log-likelihood on the validation split.

    Both are None where the fit failed, as it may at a rate that is too high; it counts as a trial like any other.
    """

    learning_rate: float
    validation: float | None
    log_likelihood: float | None
    seconds: float


def attempts(own: float, trials: int, attempt: Callable[[float], Attempt | None]) -> tuple[Attempt, ...]:
    """Return what came of ``trials`` learning rates around ``own``; ends early where ``attempt`` returns None."""
    from optuna.distributions import BaseDistribution, FloatDistribution
    from optuna.trial import TrialState

    study, found = _study(), []
    study.enqueue_trial({NAME: own})
    space: dict[str, BaseDistribution] = {NAME: FloatDistribution(own / SPREAD, own * SPREAD, log=True)}
    for _ in range(trials):
        trial = study.ask(space)
        made = attempt(trial.params[NAME])
        if made is None:
            break
        found.append(made)
        if made.validation is None:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, made.validation)
    return tuple(found)


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


def _study() -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # the sampler has been that since 2022
        sampler = optuna.samplers.QMCSampler(qmc_type="halton", scramble=True, seed=0)
    return optuna.create_study(direction="maximize", sampler=sampler)
