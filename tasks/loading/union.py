"""Several tasks as one: their rows together, their labels side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.task import SPLITS, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset

MIXABLE = ("classification", *GENERATED)  # kinds of which rows of several tasks can stand in one batch
ROW = ("label", "text", "text_pair", "answer", "metric", "max_new_tokens", "remembered")


def union(tasks: Sequence[Task], name: str, grouped: bool = False) -> Task:
    """Return one task with the rows of ``tasks``, each split by itself, and with the labels ``task: label`` of all.

    Ids become ``task/id``. With ``grouped``, a row also tells the place of its task (``group``), so that its own task's
    head alone answers it. A column that only some tasks have is None elsewhere.

    Raises:
        InputError: the tasks are of several kinds.
    """
    together = pool_tasks(tasks, name)
    splits = {split: _shift_labels(rows, tasks, split, grouped) for split, rows in together.splits.items()}
    labels = tuple(f"{task.name}: {label}" for task in tasks for label in task.labels)
    return replace(together, labels=labels, splits=splits)


def pool_tasks(tasks: Sequence[Task], name: str) -> Task:
    """Return one task with the rows of ``tasks``, whose labels are the same; else as :func:`union`."""
    kinds = sorted({task.kind for task in tasks})
    if len(kinds) > 1:
        raise InputError(f"tasks of several kinds cannot be learned together: {', '.join(kinds)}")
    return Task(
        name=name,
        kind=kinds[0],
        labels=tasks[0].labels,
        splits={split: _concatenate(tasks, split) for split in SPLITS if split in tasks[0].splits},
        fingerprint=key([[task.name, task.fingerprint] for task in tasks]),
        origin=f"made of {', '.join(task.name for task in tasks)}",
    )


def starts(tasks: Sequence[Task]) -> list[int]:
    """Return for each task the place of its first label among the labels of all."""
    return [int(start) for start in np.cumsum([0, *(len(task.labels) for task in tasks[:-1])])]


def _concatenate(tasks: Sequence[Task], split: str) -> Dataset:
    from datasets import Dataset

    rows = [task.splits[split] for task in tasks]
    ids = [f"{task.name}/{row}" for task in tasks for row in task.splits[split]["id"][:]]
    columns: dict[str, list[Any]] = {"id": ids}
    for name in ROW:
        if any(name in dataset.column_names for dataset in rows):
            given = [dataset[name][:] if name in dataset.column_names else [None] * len(dataset) for dataset in rows]
            columns[name] = [value for values in given for value in values]
    return Dataset.from_dict(columns)


def _shift_labels(rows: Dataset, tasks: Sequence[Task], split: str, grouped: bool) -> Dataset:
    """Return ``rows`` with each task's labels after those of the tasks before it."""
    if not all(task.labels for task in tasks):
        return rows
    sizes = [len(task.splits[split]) for task in tasks]
    labels = np.asarray(rows["label"][:], dtype=np.int64) + np.repeat(starts(tasks), sizes)
    rows = rows.remove_columns("label").add_column("label", labels)
    return rows.add_column("group", np.repeat(np.arange(len(tasks)), sizes)) if grouped else rows
