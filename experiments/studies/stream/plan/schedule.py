"""After which stages earlier tasks are tested: a shared model has about T² / 2 cells, and each of them takes a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.studies.stream.plan.recipe import Recipe
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

AUTO = "auto"
SHARE = 0.15  # of a stream's passes that may go to tests
STEP = 3.0  # a training step, in forward passes over its examples: the backward pass counts twice


def resolved(recipe: Recipe, tasks: Sequence[Task]) -> int:
    """Return k: the recipe's own, or for ``auto`` the smallest with which tests take a share of at most 15 %.

    It is counted in forward passes over examples, as one shared model makes them: what strategies do beside that
    (several strengths, a memory) makes tests a smaller share, generated answers a larger one.
    """
    if recipe.evaluate_every != AUTO:
        return int(recipe.evaluate_every)
    budget, count = recipe.budget, len(tasks)
    fits = sum(_fit(budget, task) for task in tasks)
    tests = [_few(len(task.splits["test"]), budget.eval_examples) for task in tasks]
    return next((every for every in range(1, count) if _tested(tests, every) <= SHARE / (1 - SHARE) * fits), count)


def _tested(tests: Sequence[int], every: int) -> float:
    """Return how many examples are asked if earlier tasks are tested after every k-th stage and after the last."""
    stages = range(1, len(tests) + 1)
    return sum(
        sum(tests[:stage]) if stage % every == 0 or stage == len(tests) else tests[stage - 1] for stage in stages
    )


def _fit(budget: Budget, task: Task) -> float:
    """Return the forward passes of a fit: its steps, and after each epoch the validation split."""
    validation = _few(len(task.splits["validation"]), budget.validation_examples or budget.eval_examples)
    return budget.epochs * (STEP * budget.drawn(len(task.splits["train"])) + validation)


def _few(available: int, wanted: int | None) -> int:
    return min(available, wanted or available)
