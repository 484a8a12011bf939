"""The two versions of a task that a champion and a candidate were trained on, and which rows and labels are new."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.answers.adapter_task import adapter_task
from adapter_workbench.experiments.gating.candidate.mapped_answers import told_apart
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.updating.label_map import unchanged
from adapter_workbench.tasks.updating.state import stored_rows
from adapter_workbench.tasks.updating.version import labels_between
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task

ASKED = ("validation", "test")  # splits whose rows are asked; training rows of an earlier version may be gone
NEED, INSTEAD = "a comparison needs the rows", "`workbench adapters show`"


@dataclass(frozen=True)
class VersionPair:
    """An earlier and a later version of one task."""

    task: Task  # the later one, drawn to the budget of the candidate, which was trained on it
    labels: LabelMap  # from the labels of the earlier one, on which the champion was trained, to its own
    # ids of validation and test rows that the earlier one had in the same split, with the same text
    old_rows: frozenset[str]
    relabelled: frozenset[str]  # those of them whose label does not come from the one that they had
    names: tuple[str, str]  # of the earlier and the later version, for people: ``tickets@1``, ``tickets@3``

    @cached_property
    def known(self) -> tuple[int, ...]:
        """The positions of the labels that the champion can give as an answer."""
        return told_apart(self.labels)

    @property
    def unknown(self) -> tuple[int, ...]:
        """The positions of the labels that it cannot give: new ones, and the parts of a split one."""
        return tuple(label for label in range(len(self.labels.labels)) if label not in self.known)

    def old(self, split: str) -> NDArray[np.bool_]:
        """Return which rows of a split are old, (n,)."""
        return np.array([name in self.old_rows for name in self.task.splits[split]["id"][:]], dtype=bool)

    def gold(self, split: str) -> NDArray[np.int64]:
        """Return the position of the right label of each row, (n,)."""
        return np.asarray(self.task.splits[split]["label"][:], dtype=np.int64)


def is_later(first: StoredAdapter, second: StoredAdapter, folders: Sequence[Path]) -> bool:
    """Return whether ``first`` was trained on a later version of its task than ``second``; False where one is unknown.

    Args:
        first: an adapter of a task.
        second: another one of it.
        folders: of the person's own tasks.
    """
    numbers = registry.numbers_by_data(registry.versions(first.manifest.task.name, folders))
    own, other = (numbers.get(of.manifest.task.fingerprint) for of in (first, second))
    return own is not None and other is not None and own > other


def version_pair(champion: StoredAdapter, candidate: StoredAdapter, folders: Sequence[Path]) -> VersionPair:
    """Return the versions that two adapters were trained on; the same version where that is one.

    Args:
        champion: of a version of the task.
        candidate: of a later version, or of the same.
        folders: of the person's own tasks.

    Raises:
        InputError: they are of two tasks, of another kind than classification, of unknown data, or in the other order.
        IntegrityError: what is stored of a version is damaged.
    """
    _require_comparable(champion, candidate)
    name = candidate.manifest.task.name
    task = adapter_task(candidate, folders, NEED, INSTEAD)
    specs = registry.versions(name, folders)
    numbers = registry.numbers_by_data(specs)
    own, others = (numbers.get(of.manifest.task.fingerprint) for of in (champion, candidate))
    if champion.manifest.task.fingerprint == candidate.manifest.task.fingerprint:
        names = name if others is None else f"{name}@{others}"
        ids = (row for split in ASKED for row in task.splits[split]["id"][:])
        return VersionPair(task, unchanged(task.labels), frozenset(ids), frozenset(), (names, names))
    if own is None or others is None:
        unknown = champion if own is None else candidate
        hint = f"`workbench tasks history {name}` lists the versions. Compare two adapters of these."
        raise InputError(f"{unknown.id} was trained on data that are no version of {name}", hint=hint)
    if own > others:
        message = f"{champion.id} was trained on {name}@{own}, a later version than that of {candidate.id}, {others}"
        raise InputError(message, hint="Name the adapter of the earlier version first.")
    return between(task, specs, own, others)


def between(task: Task, specs: Mapping[int, TaskSpec], first: int, second: int) -> VersionPair:
    """Return two stored versions of one task; no training row of the first is read.

    Args:
        task: the second, drawn to the budget of the candidate.
        specs: number → version, all from ``first`` to ``second``.
        first: the champion's version.
        second: the candidate's.

    Raises:
        IntegrityError: what is stored of a version is damaged.
    """
    labels = labels_between(specs, first, second)
    before, after = ({row.id: row for split in ASKED for row in stored_rows(specs[n], split)} for n in (first, second))
    keys = {name: (row.split, row.text) for name, row in before.items()}
    old = frozenset(name for name, row in after.items() if keys.get(name) == (row.split, row.text))
    relabelled = frozenset(name for name in old if after[name].label not in labels.later(before[name].label))
    return VersionPair(task, labels, old, relabelled, (f"{task.name}@{first}", f"{task.name}@{second}"))


def _require_comparable(champion: StoredAdapter, candidate: StoredAdapter) -> None:
    first, second = champion.manifest.task, candidate.manifest.task
    if champion.id == candidate.id:
        raise InputError(f"{champion.id} is the same adapter twice", hint="Name two.")
    if first.name != second.name:
        message = f"{champion.id} answers for {first.name}, and {candidate.id} for {second.name}"
        raise InputError(message, hint="Two adapters of one task can be compared.")
    for stored in (champion, candidate):
        if stored.manifest.task.kind != "classification":
            message = f"{stored.id} answers a {stored.manifest.task.kind} task; only classification tasks have versions"
            raise InputError(message, hint="`workbench adapters test` measures each of the two.")
        if not stored.manifest.task.fingerprint:
            message = f"{stored.id} was trained elsewhere, so it is not known which rows are new to it"
            raise InputError(message, hint=f"`workbench adapters test {stored.id}` measures it here.")
