"""Equal tuning: every method tries equally many learning rates, and validation alone says which one it keeps.

The range is log-uniform from a tenth of the method's own learning rate to ten times it. The first try is the method's
own rate; the others are a scrambled Halton sequence (Halton, 1960; Owen, 2017), as Bergstra & Bengio (2012) recommend
for few trials: it covers the range evenly however soon it ends, where TPE would draw its first ten trials at random.
Since it does not look at results, all methods try the same multiples of their own rates, and more trials later are
added to those that are there.

A best rate at the edge of what was tried says only that the range was too small. Then the next one outward is tried, at
√10 times the edge, and another, until a worse one encloses the best or a bound is reached (`core.widening`). Each is a
piece from the beginning; the piece of one that is not needed trains nothing, and its document says so.
"""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.document_piece import DocumentPiece
from adapter_workbench.experiments.engine.forecast import lesson_effort
from adapter_workbench.experiments.workspace.piece_results import PieceResults
from adapter_workbench.workbench.errors import TrainingError
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.training import teach

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.experiments.engine.piece import Site
    from adapter_workbench.workbench.training import Lesson

SPREAD = 10.0


@dataclass(frozen=True)
class LearningRateTrial:
    """One learning rate, tried: the best epoch's score and log-likelihood on the validation split.

    Both are None where the fit failed, as it may at a rate that is too high; it counts as a trial like any other. A
    rate beyond the edge that was not ``needed`` was not tried, and has neither.
    """

    learning_rate: float
    validation: float | None
    log_likelihood: float | None
    seconds: float
    needed: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return ``{learning_rate, validation, log_likelihood, seconds}``."""
        return {name: value for name, value in asdict(self).items() if name != "needed"}


ATTEMPTS = PieceResults("attempts", LearningRateTrial)


def learning_rates(own: float, trials: int) -> tuple[float, ...]:
    """Return ``trials`` learning rates: ``own``, then the sequence's; a larger ``trials`` begins with the same ones."""
    from scipy.stats import qmc  # slow to import; only tuning needs it

    low, high = math.log(own / SPREAD), math.log(own * SPREAD)
    points = qmc.Halton(d=1, scramble=True, seed=0).random(max(trials - 1, 0))[:, 0]  # (trials − 1,) in [0, 1)
    return (own, *(math.exp(low + float(point) * (high - low)) for point in points))[:trials]


def choose(tried: Sequence[LearningRateTrial]) -> float:
    """Return the learning rate with the best validation score; of equal ones, the likelier; of those, the first tried.

    Raises:
        TrainingError: every one of them failed.
    """
    finished = [trial for trial in tried if trial.validation is not None]
    if not finished:
        rates = ", ".join(f"{trial.learning_rate:.2g}" for trial in tried if trial.needed)
        raise TrainingError(
            f"no learning rate worked; tried {rates}", hint="Set a smaller one, or leave the method out."
        )
    return max(finished, key=lambda trial: (trial.validation, trial.log_likelihood)).learning_rate


def first_rate(settings: Mapping[str, Any], default: float | None) -> str | None:
    """Return who set the learning rate, or the first that is tried; None where the method has no default."""
    if default is None:
        return None
    return "the default" if settings["learning_rate"] == default else "the recipe's"


def over_tasks(attempts: Sequence[LearningRateTrial]) -> LearningRateTrial:
    """Return the mean of one learning rate's attempts on several tasks; it failed where any of them failed."""
    shared, seconds = attempts[0].learning_rate, sum(trial.seconds for trial in attempts)
    scores = [trial.validation for trial in attempts if trial.validation is not None]
    if len(scores) < len(attempts):
        return LearningRateTrial(shared, None, None, seconds, all(trial.needed for trial in attempts))
    likelihoods = [trial.log_likelihood for trial in attempts if trial.log_likelihood is not None]
    return LearningRateTrial(shared, fmean(scores), fmean(likelihoods) if likelihoods else None, seconds)


def rate(lesson: Lesson) -> float:
    """Return the learning rate of a lesson whose method trains."""
    return float(lesson.adaptation.settings.learning_rate)


def attempt_key(lesson: Lesson) -> str:
    """Return the key of the piece that tries a lesson's learning rate."""
    return key(["attempt", lesson.key])


def attempt(name: str, lesson: Lesson) -> DocumentPiece:
    """Return the piece that tries one learning rate on one task, for whatever ``name`` is the label of."""
    task, identity = lesson.task.name, attempt_key(lesson)
    label = f"{task} · {name} · learning rate {rate(lesson):.2g}"
    return DocumentPiece(
        key=identity,
        coordinates={
            "part": "attempt",
            "label": name,
            "task": task,
            "seed": lesson.seed,
            "learning_rate": rate(lesson),
        },
        label=label,
        effort=lesson_effort(lesson),
        leaves=ATTEMPTS,
        result=partial(fitted_trial, lesson, identity, label),
    )


def fitted_trial(lesson: Lesson, identity: str, label: str, site: Site) -> LearningRateTrial:
    """Fit, and keep the validation score alone; a rate at which the fit fails counts as tried."""
    began, scratch = time.perf_counter(), site.workspace.scratch(identity)
    try:
        _, fit = teach(lesson, site.listener, label, scratch)
    except TrainingError as error:
        site.listener.say(f"{label}: {error.what}")
        trial = LearningRateTrial(rate(lesson), None, None, time.perf_counter() - began)
    else:
        best = [epoch for epoch in fit.epochs if epoch.epoch == fit.best_epoch]
        likelihood = best[0].validation_log_likelihood if best else None
        trial = LearningRateTrial(rate(lesson), fit.validation, likelihood, fit.seconds)
    shutil.rmtree(scratch, ignore_errors=True)
    return trial
