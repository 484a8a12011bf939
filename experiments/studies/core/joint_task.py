"""Several tasks mixed into one: what a single model learns, on the rows that models of single tasks see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.loading.union import union
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.methods.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

ALL_EXAMPLES: dict[str, Any] = {"train_examples": None, "eval_examples": None, "validation_examples": None}


def joint_task(tasks: Sequence[Task], budget: Budget, seed: int) -> Task:
    """Return one task with the rows of all ``tasks``, and their labels, ``task: label`` each, where they have some.

    Its splits are the tasks' own, drawn as they are drawn for a fit on each task alone and put together; learn it with
    a budget of :data:`ALL_EXAMPLES`.

    Raises:
        InputError: the tasks are of several kinds.
    """
    together = union([draw(task, budget, seed) for task in tasks], f"joint-{len(tasks)}-tasks")
    fingerprint = key([together.fingerprint, budget.model_dump(mode="json"), seed])
    return replace(together, fingerprint=fingerprint, joint=True)
