"""The orders in which a stream is learned: that of the recipe's tasks, and further ones that are drawn or named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from experiments.studies.stream.plan.recipe import Recipe
    from workbench.methods.task import Task
    from workbench.settings.base import Document


def order_count(recipe: Recipe) -> int:
    """Return in how many orders the stream is learned at most; a short one has fewer permutations."""
    return recipe.orders if isinstance(recipe.orders, int) else 1 + len(recipe.orders)


def misordered(document: Document, recipe: Recipe, names: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for each order that a recipe names and that is not one of all its tasks, or was there before."""
    earlier = [tuple(names)]
    for index, order in enumerate(() if isinstance(recipe.orders, int) else recipe.orders):
        where = document.where("orders", index)
        if sorted(order) != sorted(names):
            odd = [*(name for name in order if name not in names), *(name for name in names if name not in order)]
            reason = ", ".join(dict.fromkeys(odd)) or "a task stands twice"
            yield Problem(f"order {index + 1} is none of all tasks: {reason}", where, "Name each task of 'tasks' once.")
        elif order in earlier:
            yield Problem(f"order {index + 1} was there before", where, "The order of 'tasks' is learned in any case.")
        earlier.append(order)


def ordered(tasks: tuple[Task, ...], recipe: Recipe) -> tuple[tuple[Task, ...], ...]:
    """Return the order given, and those that the recipe names, or seeded permutations; a short stream has fewer."""
    if not isinstance(recipe.orders, int):
        by_name = {task.name: task for task in tasks}
        return (tasks, *(tuple(by_name[name] for name in order) for order in recipe.orders))
    orders = {tuple(range(len(tasks))): tasks}
    for seed in range(1, 100 * recipe.orders):
        if len(orders) == recipe.orders:
            break
        permutation = tuple(np.random.default_rng(seed).permutation(len(tasks)).tolist())
        orders.setdefault(permutation, tuple(tasks[index] for index in permutation))
    return tuple(orders.values())
