"""growing: the labels of one task come one after another, each with its rows; later versions bring more of their rows.

Half of the labels are there from the beginning (fewer where each later version could not have a new one), and the
others come in about equal numbers with each later version, in an order that the seed draws. A label's first version
brings half of its training rows, each later one an equal share of the rest; a label that comes with the last version
has all of them at once. Test and validation rows of a label come with the label: a version is tested on all labels
known by then.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.arrivals import Version, sizes
from adapter_workbench.tasks.updating.label_map import LabelMap, unchanged
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.methods.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

FIRST_SHARE = 0.5  # of the training rows of a label, that its first version brings


class Growing:
    """One task, whose labels come one after another."""

    of_families = False

    def objection(self, tasks: Sequence[Task], versions: int) -> str | None:
        """Return why not: the first version needs two labels, and each later one a new one."""
        (task,) = tasks
        if task.kind != "classification":
            return f"{task.name!r} is a {task.kind} task, where an example has not one label"
        if _in_first(len(task.labels), versions) < 2:
            return f"{task.name!r} has {len(task.labels)} labels, too few for {versions} versions with a new label each"
        return None

    def versions(self, name: str, tasks: Sequence[Task], versions: int, budget: Budget, seed: int) -> list[Version]:
        """Return the task with the labels of then; a version has the labels of the one before, then its new ones."""
        task = draw(tasks[0], budget, seed)
        generator = np.random.default_rng(seed)
        order = [int(label) for label in generator.permutation(len(task.labels))]
        since = _first_versions(len(order), versions)  # of each label of `order`, from 0
        arrival = _arrivals(task.splits["train"], order, since, versions, generator)
        made: list[Version] = []
        for number in range(versions):
            known = order[: sum(first <= number for first in since)]
            splits = {split: _with_labels(rows, known) for split, rows in task.splits.items()}
            train = task.splits["train"]
            splits["train"] = _with_labels(train.select(np.flatnonzero(arrival <= number)), known)
            version = replace(
                task,
                name=name,
                labels=tuple(task.labels[label] for label in known),
                splits=splits,
                fingerprint=key(["growing", task.fingerprint, sizes(budget), seed, versions, number]),
                origin=f"{task.origin}, version {number + 1} of {versions}, growing",
            )
            made.append(_beside(made[-1].task if made else None, version))
        return made


def _in_first(labels: int, versions: int) -> int:
    return min(math.ceil(labels / 2), labels - versions + 1)


def _first_versions(labels: int, versions: int) -> list[int]:
    """Return for each label, in the order in which they come, the version that it comes with, from 0."""
    first = _in_first(labels, versions)
    later = np.array_split(np.arange(labels - first), versions - 1)
    return [0] * first + [number for number, part in enumerate(later, start=1) for _ in part]


def _arrivals(
    rows: Dataset, order: Sequence[int], since: Sequence[int], versions: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return for each training row the version that it comes with, from 0, (rows,)."""
    labels = np.asarray(rows["label"][:], dtype=np.int64)
    arrival = np.zeros(len(labels), dtype=np.int64)
    for label, first in zip(order, since, strict=True):
        own = generator.permutation(np.flatnonzero(labels == label))
        if first == versions - 1:
            arrival[own] = first
            continue
        at_once = math.ceil(FIRST_SHARE * len(own))
        arrival[own[:at_once]] = first
        for number, part in enumerate(np.array_split(own[at_once:], versions - 1 - first), start=first + 1):
            arrival[part] = number
    return arrival


def _with_labels(rows: Dataset, known: Sequence[int]) -> Dataset:
    """Return the rows of the known labels, each label as its position among them."""
    from datasets import Dataset

    class_of = {label: position for position, label in enumerate(known)}
    kept = rows.select([index for index, label in enumerate(rows["label"][:]) if label in class_of])
    columns = {name: kept[name][:] for name in kept.column_names}
    return Dataset.from_dict({**columns, "label": [class_of[label] for label in columns["label"]]})


def _beside(before: Task | None, task: Task) -> Version:
    rows = frozenset(task.splits["train"]["id"][:])
    if before is None:
        return Version(task, unchanged(task.labels), rows)
    sources = tuple((index,) if index < len(before.labels) else () for index in range(len(task.labels)))
    return Version(task, LabelMap(before.labels, task.labels, sources), rows - {*before.splits["train"]["id"][:]})


ARRIVAL = Growing()
