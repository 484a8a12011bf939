"""Adapters that tasks of a stream share: which tasks each has, and which merges of two adapters can be undone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from adapter_workbench.experiments.strategies._linkage import Cosines
from adapter_workbench.workbench.files import checksummed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ADAPTERS_FOLDER = "adapters"  # of a state: holds the adapters that its tasks share


@dataclass(frozen=True)
class Group:
    """An adapter that some tasks share."""

    tasks: tuple[str, ...]  # their names, in the order in which they were learned
    folder: str  # name of its folder in the state
    # SHA-256 of its weights, which ``keep_states: last`` drops; states of earlier versions have the weights
    weights: str = ""


@dataclass(frozen=True)
class Merge:
    """Adapters that became one, and are kept so that the merge can be undone."""

    stage: int  # the stage whose task was learned just before they became one
    # the adapters as they were, the older first, under the names that their folders have now
    sources: tuple[Group, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those of the adapter that was made, in its order."""
        return tuple(task for source in self.sources for task in source.tasks)


@dataclass(frozen=True)
class Groups:
    """All adapters of a state whose tasks share some."""

    groups: tuple[Group, ...] = ()  # the oldest first
    merges: tuple[Merge, ...] = ()  # those that can be undone, the oldest first
    # how alike the LoRAs are that the tasks were learned with, as far as a rule asked for it
    cosines: Cosines = field(default_factory=dict)

    def without(self, merge: Merge) -> Groups:
        """Return the adapters after ``merge`` is undone; later merges that took its result are undone first."""
        if all(group.tasks != merge.tasks for group in self.groups):
            later = next(other for other in self.merges if any(source.tasks == merge.tasks for source in other.sources))
            return self.without(later).without(merge)
        groups: list[Group] = []
        for group in self.groups:
            groups += merge.sources if group.tasks == merge.tasks else (group,)
        return replace(self, groups=tuple(groups), merges=tuple(other for other in self.merges if other != merge))


GROUPS_FILE = "groups.json"  # in a state whose tasks share adapters
GROUPS = TypeAdapter(Groups)


def groups_in(folder: Path) -> Groups:
    """Return which tasks share which adapter in a state's folder; no group where it has no list.

    Raises:
        IntegrityError: the list is damaged.
    """
    return checksummed.read(GROUPS, folder / GROUPS_FILE) or Groups()


def set_aside(
    adapters: Path, merges: Sequence[Merge], sources: Sequence[Group], stage: int, undo: int
) -> tuple[Merge, ...]:
    """Move the adapters of a merge out of the way, delete those of merges that are no longer kept; return the rest.

    Args:
        adapters: the folder of a state's adapters.
        merges: that could be undone before, the oldest first.
        sources: what is merged now.
        stage: of the merge.
        undo: how many merges, the last ones, can be undone; their adapters are kept.
    """
    moved = tuple(replace(source, folder=f"{stage:03d}-{source.folder}") for source in sources)
    for source, aside in zip(sources, moved, strict=True):
        (adapters / source.folder).rename(adapters / aside.folder)
    all_merges = (*merges, Merge(stage, moved))
    dropped = max(len(all_merges) - undo, 0)
    for merge in all_merges[:dropped]:
        for source in merge.sources:
            shutil.rmtree(adapters / source.folder)
    return all_merges[dropped:]
