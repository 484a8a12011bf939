"""The pieces of a comparison of methods: learning rates are tried, adapters trained and tested, costs measured."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.engine.forecast import lesson_forecast, lesson_pace, lesson_updates
from experiments.studies.methods.record import ATTEMPTS, CELLS, COSTS, Cell
from experiments.studies.methods.tuning import Attempt, choose, learning_rates
from experiments.workspace.evaluating import evaluation_key, tested
from workbench.digest import key
from workbench.errors import TrainingError
from workbench.kinds import KINDS
from workbench.measured_cost import MeasuredCost
from workbench.measuring import measure
from workbench.training import teach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.engine.study import Forecast, Piece, Site
    from experiments.studies.methods.plan import ComparisonPlan
    from experiments.workspace import Workspace
    from workbench.task import Task
    from workbench.training import Lesson


@dataclass(frozen=True)
class AttemptPiece:
    """One learning rate, tried on one task by validation, with a seed that is not compared."""

    name: str
    lesson: Lesson
    needs = ()
    alone = False

    @cached_property
    def key(self) -> str:
        """The lesson's, apart from the claim on the lesson itself."""
        return key(["attempt", self.lesson.key])

    @property
    def place(self) -> Mapping[str, Any]:
        """What is tried, and for whom."""
        lesson = self.lesson
        return {
            "part": "attempt",
            "label": self.name,
            "task": lesson.task.name,
            "seed": lesson.seed,
            "learning_rate": lesson.adaptation.settings.learning_rate,
        }

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        rate = self.lesson.adaptation.settings.learning_rate
        return f"{self.lesson.task.name} · {self.name} · learning rate {rate:.2g}"

    @property
    def updates(self) -> int:
        """Optimiser steps of the fit."""
        return lesson_updates(self.lesson)

    @property
    def forecast(self) -> Forecast:
        """Of a training step."""
        return lesson_forecast(self.lesson)

    @property
    def pace(self) -> str:
        """Backbone, method and the shape of an optimiser step."""
        return lesson_pace(self.lesson)

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether it was tried."""
        return workspace.documents(ATTEMPTS, Attempt).get(self.key) is not None

    def work(self, site: Site) -> None:
        """Fit, and keep the validation score alone; a rate at which the fit fails counts as tried."""
        began, rate = time.perf_counter(), self.lesson.adaptation.settings.learning_rate
        scratch = site.workspace.scratch(self.key)
        try:
            _, fit = teach(self.lesson, site.listener, self.label, scratch)
        except TrainingError as error:
            site.listener.say(f"{self.label}: {error.what}")
            attempt = Attempt(rate, None, None, time.perf_counter() - began)
        else:
            best = [epoch for epoch in fit.epochs if epoch.epoch == fit.best_epoch]
            likelihood = best[0].validation_log_likelihood if best else None
            attempt = Attempt(rate, fit.validation, likelihood, fit.seconds)
        site.workspace.documents(ATTEMPTS, Attempt).save(self.key, attempt)
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True)
class FitPiece:
    """One adapter: a method on a task with a seed, at the learning rate that validation picks among ``attempts``."""

    plan: ComparisonPlan
    name: str
    task: Task
    seed: int
    attempts: tuple[AttemptPiece, ...]
    alone = False

    @cached_property
    def key(self) -> str:
        """The lesson at the method's own rate, and what the rate is picked from."""
        return key(["fit", self._own.key, self.needs])

    @property
    def needs(self) -> tuple[str, ...]:
        """The learning rates that are tried."""
        return tuple(attempt.key for attempt in self.attempts)

    @property
    def place(self) -> Mapping[str, Any]:
        """Which adapter it is."""
        return {"part": "fit", "label": self.name, "task": self.task.name, "seed": self.seed}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"{self.task.name} · {self.name} · seed {self.seed}"

    @property
    def updates(self) -> int:
        """Optimiser steps of the fit."""
        return lesson_updates(self._own)

    @property
    def forecast(self) -> Forecast:
        """Of a training step."""
        return lesson_forecast(self._own)

    @property
    def pace(self) -> str:
        """Backbone, method and the shape of an optimiser step."""
        return lesson_pace(self._own)

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether the adapter is there, with its answers to the test split."""
        cell = workspace.documents(CELLS, Cell).get(self.key)
        if cell is None or not workspace.has_adapter(cell.adapter):
            return False
        return workspace.evaluations.get(cell.evaluation) is not None

    def work(self, site: Site) -> None:
        """Train the adapter, test it, and write down how it did."""
        workspace, lesson = site.workspace, self._own
        if self.attempts:
            tried = workspace.documents(ATTEMPTS, Attempt)
            chosen = choose([tried.require(attempt.key) for attempt in self.attempts])
            lesson = self.plan.lesson(self.name, self.task, self.seed, chosen)
        adapter = workspace.learned(lesson, site.listener, self.label)
        evaluation = tested(workspace, adapter, self.task, lesson.adaptation.backbone, lesson.budget)
        fit = adapter.manifest.fit
        cell = Cell(
            adapter=adapter.id,
            evaluation=evaluation_key(adapter.identity, self.task, lesson.budget),
            learning_rate=lesson.adaptation.settings.learning_rate,
            score=evaluation.scores[KINDS.get(self.task.kind).metric],
            validation=fit.validation,
            seconds=fit.seconds,
            steps=fit.steps,
            peak_memory_mb=fit.peak_memory_mb,
            trainable_parameters=fit.trainable_parameters,
            stored_bytes=adapter.bytes,
        )
        workspace.documents(CELLS, Cell).save(self.key, cell)

    @cached_property
    def _own(self) -> Lesson:
        return self.plan.lesson(self.name, self.task, self.seed)


@dataclass(frozen=True)
class CostPiece:
    """What a method's training step and its answers take on the first task; measured once in a workspace, alone."""

    name: str
    lesson: Lesson
    needs: tuple[str, ...]
    alone = True
    updates = 0

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
    def forecast(self) -> Forecast:
        """Of a training step."""
        return lesson_forecast(self.lesson)

    @property
    def pace(self) -> str:
        """That of other measurements of the same method."""
        return f"cost {lesson_pace(self.lesson)}"

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether it was measured."""
        return workspace.documents(COSTS, MeasuredCost).get(self.key) is not None

    def work(self, site: Site) -> None:
        """Measure."""
        lesson = self.lesson
        cost = measure(lesson.adaptation, lesson.task, lesson.budget)
        site.workspace.documents(COSTS, MeasuredCost).save(self.key, cost)


def pieces(plan: ComparisonPlan) -> Iterator[Piece]:
    """Yield method by method and task by task: the rates to try, then every seed; costs come last."""
    costs = []
    for label, adaptation in plan.adaptations.items():
        own: list[str] = []
        for task in plan.tasks:
            attempts = tuple(
                AttemptPiece(label, plan.lesson(label, task, plan.tuning_seed, rate))
                for rate in learning_rates(adaptation.settings.learning_rate, plan.trials(label))
            )
            fits = [FitPiece(plan, label, task, seed, attempts) for seed in plan.recipe.seeds]
            yield from attempts
            yield from fits
            own += [fit.key for fit in fits]
        costs.append(CostPiece(label, plan.lesson(label, plan.tasks[0], plan.recipe.seeds[0]), tuple(own)))
    yield from costs
