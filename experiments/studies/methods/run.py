"""From a plan to numbers: learning rates are tried, adapters trained and tested, costs measured; each of them once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from experiments.engine.provenance import provenance
from experiments.studies.methods.record import FILE, Cell, ComparisonRecord, Entrant, Search, load
from experiments.studies.methods.tuning import Attempt, attempts, choose
from experiments.workspace.evaluating import evaluation_key, majority, tested
from experiments.workspace.mending import what_there_is
from workbench.digest import key
from workbench.errors import IntegrityError, TrainingError, UnwritableError
from workbench.kinds import KINDS
from workbench.measuring import measure
from workbench.processes import is_first
from workbench.training import teach

if TYPE_CHECKING:
    from experiments.studies.methods.plan import ComparisonPlan
    from experiments.workspace import Workspace
    from workbench.listener import Listener
    from workbench.measured_cost import MeasuredCost
    from workbench.task import Task
    from workbench.training import Lesson


@dataclass
class ComparisonRun:
    """One run of a plan in a workspace; ``hear`` is told of the record whenever a cell is there."""

    plan: ComparisonPlan
    workspace: Workspace
    listener: Listener
    hear: Callable[[ComparisonRecord], None] = lambda record: None

    def __post_init__(self) -> None:
        """Make damaged things again."""
        self.workspace = self.workspace.mended_by(self.listener)

    def all(self, command: str = "") -> ComparisonRecord:
        """Do whatever is not done yet, and return the record of everything.

        Raises:
            TrainingError: a fit failed; what was finished before is kept.
            InputError: the experiment is being run already.
            UnwritableError: nothing can be written, and there is something to do.
        """
        try:
            return self._all(command)
        except UnwritableError as error:
            known = load(self.workspace.experiment(self.plan.name))
            return what_there_is(known, self._is_whole, error, self.listener)

    def _is_whole(self, known: ComparisonRecord) -> bool:
        """Return whether a record is that of this plan, with all its adapters and costs."""
        complete = len(known.cells) == known.planned and len(known.costs) == len(known.entrants)
        return complete and known.plan == begin(self.plan).plan

    def _all(self, command: str) -> ComparisonRecord:
        with self.workspace.locked(self.plan.name):
            record = self._begin(command)
            for label in self.plan.adaptations:
                for task in self.plan.tasks:
                    with self.workspace.claimed(self._key(label, task)):
                        for known in self._learned(record, label, task):
                            record = known
                            self._save(record)
            for label in self.plan.adaptations:  # when no helper is at work any more, which would slow it down
                record = replace(record, costs={**record.costs, label: self._cost(label)})
            self._save(record)
        return record

    def help(self) -> None:
        """Do what no other process is at, the last method first, for a process that runs the same plan."""
        blank = begin(self.plan)
        for label in reversed([*self.plan.adaptations]):
            for task in reversed(self.plan.tasks):
                with self.workspace.claimed(self._key(label, task), wait=False) as mine:
                    if mine:
                        deque(self._learned(blank, label, task), maxlen=0)

    def _learned(self, record: ComparisonRecord, label: str, task: Task) -> Iterator[ComparisonRecord]:
        """Yield the record after each adapter that was not there, and at the end."""
        record, rate = self._tuned(record, label, task)
        seeds = self.plan.recipe.seeds
        for seed in seeds:
            lesson = self.plan.lesson(label, task, seed, rate)
            known = lesson.adapter_id in self.workspace.adapters.ids()
            record = replace(record, cells=(*record.cells, self._cell(label, lesson)))
            if not known or seed == seeds[-1]:
                yield record

    def _key(self, label: str, task: Task) -> str:
        return key([self.plan.lesson(label, task, seed).key for seed in self.plan.recipe.seeds])

    def _begin(self, command: str) -> ComparisonRecord:
        """Return the record without results; a run that goes on keeps the circumstances under which it was begun."""
        folder = self.workspace.experiment(self.plan.name)
        blank, known = begin(self.plan), self.workspace.mending.known(folder / FILE, lambda: load(folder))
        same = known is not None and known.plan == blank.plan
        return replace(blank, provenance=known.provenance if known and same else provenance(command))

    def _tuned(self, record: ComparisonRecord, label: str, task: Task) -> tuple[ComparisonRecord, float | None]:
        """Return the learning rate that validation picks, None where none is looked for; the search is recorded."""
        recipe, seed = self.plan.recipe, self.plan.tuning_seed
        if not recipe.tune:
            return record, None

        def attempt(rate: float) -> Attempt:
            return self._attempt(self.plan.lesson(label, task, seed, rate), label)

        tried = attempts(self.plan.adaptations[label].settings.learning_rate, recipe.tune, attempt)
        search = Search(label, task.name, seed, tried, choose(tried))
        return replace(record, searches=(*record.searches, search)), search.chosen

    def _attempt(self, lesson: Lesson, label: str) -> Attempt:
        known = self.workspace.attempts
        with self.workspace.claimed(lesson.key):
            return known.get(lesson.key) or known.save(lesson.key, self._tried(lesson, label))

    def _tried(self, lesson: Lesson, label: str) -> Attempt:
        began, rate = time.perf_counter(), lesson.adaptation.settings.learning_rate
        said = f"{lesson.task.name} · {label} · learning rate {rate:.2g}"
        try:
            _, fit = teach(lesson, self.listener, said, self.workspace.scratch(lesson.key))
        except TrainingError as error:
            self.listener.say(f"{said}: {error.what}")
            return Attempt(rate, None, None, time.perf_counter() - began)
        likelihood = next(one.validation_log_likelihood for one in fit.epochs if one.epoch == fit.best_epoch)
        return Attempt(rate, fit.validation, likelihood, fit.seconds)

    def _cell(self, label: str, lesson: Lesson) -> Cell:
        """Return how one adapter does; it is trained and tested only if that has not been done."""
        task = lesson.task
        said = f"{task.name} · {label} · seed {lesson.seed}"
        adapter = self.workspace.learned(lesson, self.listener, said)
        budget, fit = lesson.budget, adapter.manifest.fit
        found = tested(self.workspace, adapter, task, lesson.adaptation.backbone, budget)
        return Cell(
            label=label,
            task=task.name,
            seed=lesson.seed,
            adapter=adapter.id,
            evaluation=evaluation_key(adapter.identity, task, budget),
            learning_rate=lesson.adaptation.settings.learning_rate,
            score=found.scores[KINDS.get(task.kind).metric],
            validation=fit.validation,
            seconds=fit.seconds,
            steps=fit.steps,
            peak_memory_mb=fit.peak_memory_mb,
            trainable_parameters=fit.trainable_parameters,
            stored_bytes=adapter.bytes,
        )

    def _cost(self, label: str) -> MeasuredCost:
        """Return what the method's step and answers take on the first task; measured once in a workspace."""
        lesson = self.plan.lesson(label, self.plan.tasks[0], self.plan.recipe.seeds[0])
        where = key([lesson.key, "cost"])
        known = self.workspace.costs.get(where)
        return known or self.workspace.costs.save(where, measure(lesson.adaptation, lesson.task, lesson.budget))

    def _save(self, record: ComparisonRecord) -> None:
        if is_first():
            record.save(self.workspace.experiment(self.plan.name))
        self.hear(record)


def begin(plan: ComparisonPlan) -> ComparisonRecord:
    """Return the record of a plan of which nothing is done yet, without circumstances."""
    recipe = plan.recipe
    return ComparisonRecord(
        experiment=recipe.name,
        description=recipe.description,
        backbone=recipe.backbone,
        tasks=tuple(task.name for task in plan.tasks),
        seeds=recipe.seeds,
        reference=plan.reference,
        budget=recipe.budget.model_dump(mode="json"),
        tune=recipe.tune,
        majority={task.name: majority(task, recipe.budget) for task in plan.tasks},
        entrants=tuple(
            Entrant(label, one.method, one.settings.model_dump(mode="json")) for label, one in plan.adaptations.items()
        ),
        provenance={},
        data={task.name: task.fingerprint for task in plan.tasks},
        kinds={task.name: task.kind for task in plan.tasks},
    )


def pending(plan: ComparisonPlan, workspace: Workspace, label: str, task: Task) -> list[Lesson]:
    """Return what one method still has to learn on one task, the trials that only choose a learning rate included.

    Before all trials are there, nobody knows the rate that will be chosen, and every seed is waiting.
    """
    trials, seeds, there = plan.recipe.tune, plan.recipe.seeds, set(workspace.adapters.ids())
    if not trials:
        return [lesson for seed in seeds if (lesson := plan.lesson(label, task, seed)).adapter_id not in there]
    tuning, own = plan.tuning_seed, plan.adaptations[label].settings.learning_rate
    tried = attempts(own, trials, lambda rate: _tried(workspace, plan.lesson(label, task, tuning, rate)))
    if len(tried) < trials:
        untried = [plan.lesson(label, task, tuning)] * (trials - len(tried))
        return untried + [plan.lesson(label, task, seed) for seed in seeds]
    lessons = (plan.lesson(label, task, seed, choose(tried)) for seed in seeds)
    return [lesson for lesson in lessons if lesson.adapter_id not in there]


def _tried(workspace: Workspace, lesson: Lesson) -> Attempt | None:
    try:
        return workspace.attempts.get(lesson.key)
    except IntegrityError:
        return None  # a run makes it again


def updates(lesson: Lesson) -> int:
    """Return how many optimiser steps a lesson takes at most."""
    return lesson.budget.updates(lesson.budget.drawn(len(lesson.task.splits["train"])))
