"""Tasks of a stream that overlap: a share of what trains each comes while others are learned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.tasks.loading.union import pool_tasks
from adapter_workbench.workbench.files.digest import key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.workbench.methods.task import Task

SEED = 0  # the stream's data are the same for all seeds of a recipe


def overlapping(tasks: Sequence[Task], share: float) -> tuple[Task, ...]:
    """Return the tasks, each with training rows of the others among its own.

    Of the n training rows of a task, round(``share`` · n) are drawn and dealt to the other tasks in turn, so that each
    of those gets as many, but for one. Rows keep their labels, so all tasks need the same ones. Validation and test
    rows stay where they are. Rows of a task's training split have ids ``task/id`` then.

    Args:
        tasks: at least two, whose labels are the same.
        share: of the training rows that leave their task, in [0, 1].
    """
    if len(tasks) < 2:
        return tuple(tasks)
    generator = np.random.default_rng(SEED)
    going = [_dealt(index, tasks, share, generator) for index in range(len(tasks))]
    prints = [task.fingerprint for task in tasks]
    return tuple(
        replace(
            task,
            splits={**task.splits, "train": _exchanged_rows(index, tasks, going)},
            fingerprint=key(["overlapping", share, index, prints]),
        )
        for index, task in enumerate(tasks)
    )


def _dealt(index: int, tasks: Sequence[Task], share: float, generator: np.random.Generator) -> list[NDArray[np.intp]]:
    """Return for each task which rows of the task at ``index`` train along with it, in their old order."""
    rows = generator.permutation(len(tasks[index].splits["train"]))
    leaving = round(share * len(rows))
    others = [other for other in range(len(tasks)) if other != index]
    turns = generator.permutation(len(others))
    rows_for: list[NDArray[np.intp]] = [np.empty(0, dtype=np.intp)] * len(tasks)
    rows_for[index] = np.sort(rows[leaving:])
    for start, turn in enumerate(turns):
        rows_for[others[turn]] = np.sort(rows[:leaving][start :: len(others)])
    return rows_for


def _exchanged_rows(index: int, tasks: Sequence[Task], going: Sequence[Sequence[NDArray[np.intp]]]) -> Dataset:
    sources = [
        replace(task, splits={"train": task.splits["train"].select(rows[index])})
        for other, (task, rows) in enumerate(zip(tasks, going, strict=True))
        if other == index or len(rows[index])
    ]
    return pool_tasks(sources, tasks[index].name).splits["train"]
