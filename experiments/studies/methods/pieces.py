"""The pieces of a comparison of methods: learning rates are tried, adapters trained and tested, costs measured."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.engine.document_piece import DocumentPiece
from experiments.engine.forecast import lesson_effort
from experiments.studies.methods.record import ATTEMPTS, COSTS
from experiments.studies.methods.tuning import Attempt, choose, learning_rates
from experiments.workspace.evaluating import fitted
from experiments.workspace.fitted_adapter import FITTED, FittedAdapter
from workbench.digest import key
from workbench.errors import TrainingError
from workbench.measured_cost import MeasuredCost
from workbench.measuring import measure
from workbench.training import teach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.engine.study import Effort, Piece, Site
    from experiments.studies.methods.plan import ComparisonPlan
    from experiments.workspace import Workspace
    from workbench.task import Task
    from workbench.training import Lesson


@dataclass(frozen=True)
class AttemptPiece(DocumentPiece[Attempt]):
    """One learning rate, tried on one task by validation, with a seed that is not compared."""

    name: str
    lesson: Lesson
    leaves = ATTEMPTS

    @cached_property
    def key(self) -> str:
        """The lesson's, apart from the claim on the lesson itself."""
        return key(["attempt", self.lesson.key])

    @property
    def place(self) -> Mapping[str, Any]:
        """What is tried, and for whom."""
        task, seed = self.lesson.task.name, self.lesson.seed
        return {"part": "attempt", "label": self.name, "task": task, "seed": seed, "learning_rate": self.rate}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"{self.lesson.task.name} · {self.name} · learning rate {self.rate:.2g}"

    @property
    def rate(self) -> float:
        """The learning rate that is tried."""
        return self.lesson.adaptation.settings.learning_rate

    @property
    def effort(self) -> Effort:
        """That of the lesson."""
        return lesson_effort(self.lesson)

    def result(self, site: Site) -> Attempt:
        """Fit, and keep the validation score alone; a rate at which the fit fails counts as tried."""
        began, scratch = time.perf_counter(), site.workspace.scratch(self.key)
        try:
            _, fit = teach(self.lesson, site.listener, self.label, scratch)
        except TrainingError as error:
            site.listener.say(f"{self.label}: {error.what}")
            attempt = Attempt(self.rate, None, None, time.perf_counter() - began)
        else:
            best = [epoch for epoch in fit.epochs if epoch.epoch == fit.best_epoch]
            likelihood = best[0].validation_log_likelihood if best else None
            attempt = Attempt(self.rate, fit.validation, likelihood, fit.seconds)
        shutil.rmtree(scratch, ignore_errors=True)
        return attempt


@dataclass(frozen=True)
class FitPiece(DocumentPiece[FittedAdapter]):
    """One adapter: a method on a task with a seed; ``needs`` are attempts, whose best learning rate is taken."""

    plan: ComparisonPlan
    name: str
    task: Task
    seed: int
    needs: tuple[str, ...]
    leaves = FITTED

    @cached_property
    def key(self) -> str:
        """The lesson at the method's own rate, and what the rate is picked from."""
        return key(["fit", self._own.key, self.needs])

    @property
    def place(self) -> Mapping[str, Any]:
        """Which adapter it is."""
        return {"part": "fit", "label": self.name, "task": self.task.name, "seed": self.seed}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"{self.task.name} · {self.name} · seed {self.seed}"

    @property
    def effort(self) -> Effort:
        """That of the lesson."""
        return lesson_effort(self._own)

    def is_whole(self, left: FittedAdapter, workspace: Workspace) -> bool:
        """Return whether the adapter is there, with its answers to the test split."""
        return left.is_there(workspace)

    def result(self, site: Site) -> FittedAdapter:
        """Train the adapter, and test it."""
        lesson = self._own
        if self.needs:
            tried = ATTEMPTS.documents(site.workspace)
            chosen = choose([tried.require(attempt) for attempt in self.needs])
            lesson = self.plan.lesson(self.name, self.task, self.seed, chosen)
        return fitted(site.workspace, lesson, site.listener, self.label)

    @cached_property
    def _own(self) -> Lesson:
        return self.plan.lesson(self.name, self.task, self.seed)


@dataclass(frozen=True)
class CostPiece(DocumentPiece[MeasuredCost]):
    """What a method's training step and its answers take on the first task; measured once in a workspace, alone."""

    name: str
    lesson: Lesson
    needs: tuple[str, ...]
    alone = True
    leaves = COSTS

    @cached_property
    def key(self) -> str:
        """The lesson's, apart from the claim on the lesson itself."""
        return key(["cost", self.lesson.key])

    @property
    def place(self) -> Mapping[str, Any]:
        """Whose cost it is."""
        return {"part": "cost", "label": self.name}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"{self.name} · cost of a step and of answers"

    @property
    def effort(self) -> Effort:
        """That of other measurements of the same method."""
        effort = lesson_effort(self.lesson)
        return replace(effort, pace=f"cost {effort.pace}", updates=0)

    def result(self, site: Site) -> MeasuredCost:
        """Measure."""
        return measure(self.lesson.adaptation, self.lesson.task, self.lesson.budget)


def pieces(plan: ComparisonPlan) -> Iterator[Piece]:
    """Yield method by method and task by task: the rates to try, then every seed; costs come last."""
    costs = []
    for label, adaptation in plan.adaptations.items():
        own: list[str] = []
        for task in plan.tasks:
            attempts = [
                AttemptPiece(label, plan.lesson(label, task, plan.tuning_seed, rate))
                for rate in learning_rates(adaptation.settings.learning_rate, plan.trials(label))
            ]
            tried = tuple(attempt.key for attempt in attempts)
            fits = [FitPiece(plan, label, task, seed, tried) for seed in plan.recipe.seeds]
            yield from attempts
            yield from fits
            own += [fit.key for fit in fits]
        costs.append(CostPiece(label, plan.lesson(label, plan.tasks[0], plan.recipe.seeds[0]), tuple(own)))
    yield from costs
