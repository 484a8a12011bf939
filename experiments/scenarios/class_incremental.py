"""class-incremental: each task has new labels; an answer is one of all labels so far, and the task is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.tasks.loading.union import starts
from adapter_workbench.workbench.files.digest import key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset

    from adapter_workbench.workbench.methods.task import Task


class ClassIncremental:
    """Labels of different tasks are different labels, even where they are spelt alike."""

    knows_task = False
    shares_head = True
    announces_tasks = True
    overlap = None

    def objection(self, tasks: Sequence[Task]) -> str | None:
        """All tasks need labels, one for each example."""
        without = next((task for task in tasks if not task.labels), None)
        if without:
            return f"{without.name!r} has no labels"
        other = next((task for task in tasks if task.kind != "classification"), None)
        return f"{other.name!r} is a {other.kind} task, where an example has not one label" if other else None

    def posed(self, tasks: Sequence[Task]) -> tuple[Task, ...]:
        """Return each task with the labels of all of them, ``task: label`` each, its own at their places."""
        labels = tuple(f"{task.name}: {label}" for task in tasks for label in task.labels)
        so_far = [[task.name, task.fingerprint] for task in tasks]
        return tuple(
            replace(
                task,
                labels=labels,
                splits={name: _moved(rows, start) for name, rows in task.splits.items()},
                fingerprint=key(["class-incremental", so_far, task.fingerprint]),
            )
            for task, start in zip(tasks, starts(tasks), strict=True)
        )


def _moved(rows: Dataset, start: int) -> Dataset:
    labels = np.asarray(rows["label"][:], dtype=np.int64) + start
    return rows.remove_columns("label").add_column("label", labels)


SCENARIO = ClassIncremental()
