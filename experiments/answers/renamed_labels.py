"""Labels of an earlier version of a task under the names that they have now: an old adapter still answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.version_folders import split_name
from adapter_workbench.tasks.updating.label_map import composed, unchanged
from adapter_workbench.tasks.updating.version import facts_of
from adapter_workbench.workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.tasks.updating.version import Version


@dataclass(frozen=True)
class Renamed:
    """Labels of an earlier version, each of which is one label of the newest version, and the other way round."""

    task: str  # the name, without a version
    number: int  # of the earlier version
    newest: int  # of the newest one
    names: Mapping[str, str]  # label of the earlier version → its name in the newest one

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
    matches: list[Renamed] = []
    for version in _newest_first(specs):
        has_them = number in (None, str(version.number)) and {*version.labels} == {*labels}
        if has_them and version.later and (names := _only_renamed(version.later)):
            matches.append(Renamed(task, version.number, max(specs), names))
    return matches[0] if matches and all(other.names == matches[0].names for other in matches) else None


def version_with(labels: Sequence[str], name: str, folders: Sequence[Path]) -> int | None:
    """Return the newest version of a task that has exactly these labels; None where none has."""
    versions = _newest_first(registry.versions(split_name(name)[0], folders))
    return next((version.number for version in versions if {*version.labels} == {*labels}), None)


@dataclass(frozen=True)
class _Version:
    """The labels of a version, and what they are in the newest one: None where a version between is damaged or gone."""

    number: int
    labels: tuple[str, ...]
    later: LabelMap | None


def _newest_first(specs: Mapping[int, TaskSpec]) -> Iterator[_Version]:
    """Yield the versions that can be read."""
    after: Version | None = None  # the version after this one
    later: LabelMap | None = None
    for number in range(max(specs, default=0), min(specs, default=1) - 1, -1):
        try:
            facts = facts_of(specs[number].folder)
        except (KeyError, WorkbenchError):  # gone or damaged: nothing is known of the labels before it either
            after = later = None
            continue
        if number == max(specs):
            later = unchanged(facts.labels)
        else:
            later = composed(after.label_map, later) if after and later else None
        yield _Version(number, facts.labels, later)
        after = facts


def _only_renamed(between: LabelMap) -> dict[str, str] | None:
    """Return label → its name in the newest version; None where labels were added, merged, split or retired."""
    later = {label: between.later(label) for label in between.before}
    if sorted(name for names in later.values() for name in names) != sorted(between.labels):
        return None
    if any(len(names) != 1 for names in later.values()):
        return None
    return {label: name for label, (name,) in later.items()}
