"""Streams: tasks in an order, and one task of many classes cut into a stream of tasks of few."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import registry
from tasks.cache import dataset
from tasks.fingerprint import fingerprint
from workbench.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from workbench.task import Task


def expand(names: Iterable[str], folders: Iterable[Path] = ()) -> tuple[str, ...]:
    """Return ``names`` with the name of a family replaced by its members, in the order in which its file lists them."""
    families = registry.families(folders)
    return tuple(member for name in names for member in families.get(name, (name,)))


def split_into_stream(task: Task, classes_per_task: int, seed: int) -> tuple[Task, ...]:
    """Return tasks of disjoint classes that together hold every row of ``task``.

    The classes are shuffled with ``seed`` and dealt in order; inside a task they keep the order they had, and labels
    are counted from 0 again. Task i is called ``<name>-<i>``; rows keep their ids.

    Raises:
        InputError: the classes cannot be dealt evenly, or a task would have fewer than two.
    """
    import numpy as np

    if task.labels and task.kind != "classification":
        raise InputError(f"{task.name!r} is a {task.kind} task: only the classes of a classification can be dealt out")
    total = len(task.labels)
    if classes_per_task < 2 or total % classes_per_task or total <= classes_per_task:
        fitting = [str(size) for size in range(2, total) if total % size == 0]
        raise InputError(
            f"the {total} classes of {task.name!r} cannot be cut into tasks of {classes_per_task}",
            hint=f"Classes per task that fit: {', '.join(fitting) or 'none'}.",
        )
    shuffled = np.random.default_rng(seed).permutation(total)
    hands = shuffled.reshape(-1, classes_per_task)  # (tasks, classes_per_task)
    return tuple(_part(task, number, np.sort(classes)) for number, classes in enumerate(hands))


def _part(task: Task, number: int, classes: NDArray[np.int64]) -> Task:
    labels = tuple(task.labels[index] for index in classes)
    tables = {split: _only(rows.with_format("arrow")[:], classes) for split, rows in task.splits.items()}
    name, digest = f"{task.name}-{number}", fingerprint(task.kind, labels, tables)
    splits = {split: dataset(table, f"{digest} {split}") for split, table in tables.items()}
    origin = f"{task.origin}, classes {', '.join(labels)}"
    return replace(task, name=name, labels=labels, splits=splits, fingerprint=digest, origin=origin)


def _only(table: pa.Table, classes: NDArray[np.int64]) -> pa.Table:
    """Return the rows of ``classes`` (sorted), labels counted from 0."""
    import numpy as np
    import pyarrow as pa

    labels = table["label"].to_numpy()
    kept = table.filter(pa.array(np.isin(labels, classes)))
    column = kept.column_names.index("label")
    return kept.set_column(column, "label", pa.array(np.searchsorted(classes, kept["label"].to_numpy())))
