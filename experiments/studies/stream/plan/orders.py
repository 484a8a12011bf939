"""The order of a stream and of its tests: that of the recipe's tasks, and further ones that are drawn or named.

With ``orders: per-seed`` there is one for each seed, drawn by it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.studies.stream.plan.recipe import PER_SEED
from adapter_workbench.workbench.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.studies.stream.plan.recipe import Recipe
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget, Document

AUTO = "auto"
SHARE = 0.15  # of a stream's passes that may go to tests
STEP = 3.0  # a training step, in forward passes over its examples: the backward pass counts twice


def orders_of_a_seed(recipe: Recipe) -> int:
    """Return in how many orders a seed learns the stream at most; a short one has fewer permutations."""
    if recipe.orders == PER_SEED:
        return 1
    return recipe.orders if isinstance(recipe.orders, int) else 1 + len(recipe.orders)


def misordered(document: Document, recipe: Recipe, names: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for each order that a recipe names and that is not one of all its tasks, or was there before."""
    earlier = [tuple(names)]
    for index, order in enumerate(recipe.orders if isinstance(recipe.orders, tuple) else ()):
        where = document.where("orders", index)
        if sorted(order) != sorted(names):
            odd = [*(name for name in order if name not in names), *(name for name in names if name not in order)]
            reason = ", ".join(dict.fromkeys(odd)) or "a task stands twice"
            yield Problem(f"order {index + 1} is none of all tasks: {reason}", where, "Name each task of 'tasks' once.")
        elif order in earlier:
            yield Problem(f"order {index + 1} was there before", where, "The order of 'tasks' is learned in any case.")
        earlier.append(order)


def ordered(tasks: tuple[Task, ...], recipe: Recipe) -> tuple[tuple[Task, ...], ...]:
    """Return the order given, and those that the recipe names, or seeded permutations; a short stream has fewer.

    One for each seed is the seed's own permutation, whatever other seeds the recipe has: seeds that are added later
    change nothing of those that were learned. No seed learns the order given for that it comes first, since an order
    that somebody chose is no draw from all orders.
    """
    if recipe.orders == PER_SEED:
        return tuple(tuple(tasks[index] for index in _permutation(len(tasks), seed)) for seed in recipe.seeds)
    if not isinstance(recipe.orders, int):
        by_name = {task.name: task for task in tasks}
        return (tasks, *(tuple(by_name[name] for name in order) for order in recipe.orders))
    orders = {tuple(range(len(tasks))): tasks}
    for seed in range(1, 100 * recipe.orders):
        if len(orders) == recipe.orders:
            break
        permutation = _permutation(len(tasks), seed)
        orders.setdefault(permutation, tuple(tasks[index] for index in permutation))
    return tuple(orders.values())


def _permutation(tasks: int, seed: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).permutation(tasks).tolist())


# After which stages earlier tasks are tested: a shared model has about T² / 2 cells, and each of them takes a test.


def stages_between_tests(recipe: Recipe, tasks: Sequence[Task]) -> int:
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


# The replications of a stream: each seed with each order, or with the order that it draws.


def replications(seeds: Sequence[int], orders: int, order_per_seed: bool) -> tuple[tuple[int, int], ...]:
    """Return every (seed, index of its order): all orders of the first seed first.

    Args:
        seeds: of the recipe.
        orders: how many there are.
        order_per_seed: whether the i-th seed learns the i-th order and no other.
    """
    if order_per_seed:
        return tuple((seed, order) for order, seed in enumerate(seeds))
    return tuple((seed, order) for seed in seeds for order in range(orders))
