"""Labels of an earlier version of a task under the names that they have now: an old adapter still answers it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.loading import registry
from tasks.loading.version_folders import split_name
from tasks.updating.version import facts_of, labels_between
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tasks.task_file.spec import TaskSpec


@dataclass(frozen=True)
class Renamed:
    """Labels of an earlier version, each of which is one label of the newest version, and the other way round.

    Attributes:
        task: the name, without a version.
        number: of the earlier version.
        newest: of the newest one.
        names: label of the earlier version → its name in the newest one.
    """

    task: str
    number: int
    newest: int
    names: Mapping[str, str]

    def __str__(self) -> str:
        """Return which version they are of, and what is called otherwise now."""
        changed = [f"{old} is called {new}" for old, new in self.names.items() if old != new]
        return f"Its labels are those of {self.task}@{self.number}; in {self.task}@{self.newest} {', '.join(changed)}."


def renamed_since(labels: Sequence[str], name: str, folders: Sequence[Path]) -> Renamed | None:
    """Return what the labels of an earlier version are called in the newest one.

    None where they are those of no version, something else than names has changed since, or two versions with these
    labels disagree on what they are called now.

    Args:
        labels: in any order.
        name: of the task; ``TASK@N`` means this version alone.
        folders: of the person's own tasks.
    """
    task, number = split_name(name)
    specs = registry.versions(task, folders)
    candidates = [version for version in specs if number in (None, str(version))]
    matches: list[Renamed] = []
    for version in candidates:
        with suppress(WorkbenchError):  # damaged, or a version between them is gone: then nothing is known
            if {*facts_of(specs[version].folder).labels} == {*labels}:
                names = _only_renamed(specs, version)
                matches += [Renamed(task, version, max(specs), names)] if names else []
    return matches[-1] if matches and all(other.names == matches[0].names for other in matches) else None


def version_with(labels: Sequence[str], name: str, folders: Sequence[Path]) -> int | None:
    """Return the newest version of a task that has exactly these labels; None where none has."""
    specs = registry.versions(split_name(name)[0], folders)
    numbers = []
    for version in specs:
        with suppress(WorkbenchError):
            numbers += [version] * ({*facts_of(specs[version].folder).labels} == {*labels})
    return max(numbers, default=None)


def _only_renamed(specs: Mapping[int, TaskSpec], version: int) -> dict[str, str] | None:
    """Return label → its name in the newest version; None where labels were added, merged, split or retired."""
    between = labels_between(specs, version, max(specs))
    later = {label: between.later(label) for label in between.before}
    if sorted(name for names in later.values() for name in names) != sorted(between.labels):
        return None
    if any(len(names) != 1 for names in later.values()):
        return None
    return {label: name for label, (name,) in later.items()}
