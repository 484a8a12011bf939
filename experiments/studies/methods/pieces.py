"""The pieces of a comparison of methods: learning rates are tried, adapters trained and tested, costs measured."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.document_piece import DocumentPiece
from adapter_workbench.experiments.engine.forecast import lesson_effort
from adapter_workbench.experiments.studies.core.tune import ATTEMPTS, choose, learning_rates
from adapter_workbench.experiments.studies.core.widening import candidates
from adapter_workbench.experiments.studies.methods.record import COSTS
from adapter_workbench.experiments.workspace.evaluating import fit_and_evaluate
from adapter_workbench.experiments.workspace.fitted_adapter import FITTED_ADAPTERS
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.training.measuring import measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.engine.piece import Piece, Site
    from adapter_workbench.experiments.studies.methods.plan import ComparisonPlan
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.training import Lesson
    from adapter_workbench.workbench.training.measured_cost import MeasuredCost


def pieces(plan: ComparisonPlan) -> Iterator[Piece]:
    """Yield method by method and task by task: the rates to try, then every seed; costs come last."""
    costs = []
    for label, adaptation in plan.adaptations.items():
        own: list[str] = []
        for task in plan.tasks:
            rates = learning_rates(adaptation.settings.learning_rate, plan.trials(label))
            attempts = [
                candidate.piece(label, 0) for candidate in candidates(rates, partial(_tuned_on, plan, label, task))
            ]
            tried = tuple(piece.key for piece in attempts)
            fits = [_fit(plan, label, task, seed, tried) for seed in plan.recipe.seeds]
            yield from attempts
            yield from fits
            own += [fit.key for fit in fits]
        costs.append(_cost(label, plan.lesson(label, plan.tasks[0], plan.recipe.seeds[0]), tuple(own)))
    yield from costs


def _tuned_on(plan: ComparisonPlan, label: str, task: Task, rate: float) -> list[Lesson]:
    """Return what is learned at a rate that is tried: the one task, with the seed that is not compared."""
    return [plan.lesson(label, task, plan.tuning_seed, rate)]


def _fit(plan: ComparisonPlan, name: str, task: Task, seed: int, attempts: tuple[str, ...]) -> DocumentPiece:
    """Return one adapter: a method on a task with a seed, at the learning rate that is best of ``attempts``."""
    lesson, label = plan.lesson(name, task, seed), f"{task.name} · {name} · seed {seed}"
    return DocumentPiece(
        key=key(["fit", lesson.key, attempts]),
        coordinates={"part": "fit", "label": name, "task": task.name, "seed": seed},
        label=label,
        effort=lesson_effort(lesson),
        leaves=FITTED_ADAPTERS,
        result=partial(_fitted_at_best_rate, plan, name, lesson, attempts, label),
        needs=attempts,
    )


def _fitted_at_best_rate(
    plan: ComparisonPlan, name: str, lesson: Lesson, attempts: tuple[str, ...], label: str, site: Site
) -> FittedAdapter:
    if attempts:
        tried = ATTEMPTS.documents(site.workspace)
        chosen = choose([tried.require(identity) for identity in attempts])
        lesson = plan.lesson(name, lesson.task, lesson.seed, chosen)
    return fit_and_evaluate(site.workspace, lesson, site.listener, label)


def _cost(name: str, lesson: Lesson, fits: tuple[str, ...]) -> DocumentPiece:
    """Return what a method's step and its answers take on the first task; measured once in a workspace, alone."""
    effort, card = lesson_effort(lesson), lesson.adaptation.card
    # the first revision measured the bare step, without what a method does before and around it
    revision = [2] if card.prepare or card.hooks is not Method.hooks else []
    return DocumentPiece(
        key=key(["cost", lesson.key, *revision]),
        coordinates={"part": "cost", "label": name},
        label=f"{name} · cost of a step and of answers",
        effort=replace(effort, pace=f"cost {effort.pace}", updates=0),
        leaves=COSTS,
        result=partial(_measured_cost, lesson),
        needs=fits,
        alone=True,
    )


def _measured_cost(lesson: Lesson, site: Site) -> MeasuredCost:
    return measure(lesson.adaptation, lesson.task, lesson.budget)
