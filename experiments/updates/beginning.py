"""Where an update begins: the champion of a task, the version that it learned, and the newest one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.naming import adapter_id
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.version_folders import split_name
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener


@dataclass(frozen=True)
class Beginning:
    """Where an update begins.

    Attributes:
        champion: the adapter that is updated.
        older: number of the version of the task that it learned.
        newer: number of the newest version.
        versions: number → version.
        made: the adapter of the newest version that is champion now, where this update may have made it before it was
            killed; else None.
    """

    champion: StoredAdapter
    older: int
    newer: int
    versions: Mapping[int, TaskSpec]
    made: StoredAdapter | None = None

    def require_this_update(self, adapter: str) -> None:
        """Raise InputError where another update than the one that gives ``adapter`` has made the champion already."""
        if self.made is not None and (self.older == self.newer or adapter != self.made.id):
            raise _is_of_newest(self.made, self.newer)


def find_beginning(task: str, way: str, workspace: Workspace, folders: Sequence[Path], listener: Listener) -> Beginning:
    """Return where an update of ``task`` by ``way`` begins.

    Raises:
        UnknownNameError: no such task.
        InputError: the task has one version, no champion, or one that is of the newest version already by another
            update, or that cannot be gone on with.
        IntegrityError: the champion or a version is damaged.
    """
    versions = _versions_of(task, folders)
    champion, newer = _champion_of(task, workspace, folders, listener), max(versions)
    older = _number(champion, versions)
    if older < newer:
        return Beginning(champion, older, newer, versions)
    before = _champion_before(champion, workspace, way, newer)
    return Beginning(before, _number(before, versions), newer, versions, made=champion)


def _versions_of(task: str, folders: Sequence[Path]) -> dict[int, TaskSpec]:
    """Return the versions of a task; raises InputError where there is one, or a name with a version is given."""
    name, number = split_name(task)
    if number is not None:
        hint = f"An update leads to the newest version: workbench update {name}"
        raise InputError(f"{task!r} names a version", hint=hint)
    registry.find(task, folders)
    versions = registry.versions(task, folders)
    if len(versions) < 2:
        hint = f"The next one is made by: workbench tasks update {task} --from FILE"
        raise InputError(f"{task!r} has one version, so there is nothing to update to", hint=hint)
    return versions


def _champion_of(task: str, workspace: Workspace, folders: Sequence[Path], listener: Listener) -> StoredAdapter:
    """Return the champion that answers under the task's name; raises InputError unless it can be gone on with."""
    answering = adapter_id(workspace, task, listener, folders)
    if answering not in {champion.adapter for champion in workspace.champions.current().values()}:
        hint = f"{answering} answers now. Make it the champion: workbench adapters register {answering}"
        raise InputError(f"{task!r} has no champion to update", where=str(workspace.root), hint=hint)
    champion = workspace.adapters.verify(answering)
    manifest = champion.manifest
    if manifest.elsewhere or manifest.imported:
        message = f"the champion {answering} came from elsewhere, and cannot be gone on with or compared"
        train = f"Train one for the newest version: workbench train {task} --method lora"
        crowned = f"workbench adapters register ID, workbench adapters promote {task}.lora --to ID"
        raise InputError(message, hint=f"{train}. Then make it the champion: {crowned}")
    if manifest.composition:
        hint = f"Train one for the newest version: workbench add {task} --method lora"
        raise InputError(f"the champion {answering} was composed of others, and cannot be gone on with", hint=hint)
    return champion


def _number(champion: StoredAdapter, versions: Mapping[int, TaskSpec]) -> int:
    """Return the number of the champion's version; raises InputError where it is none."""
    task, method = champion.manifest.task, champion.manifest.method
    number = registry.numbers_by_data(versions).get(task.fingerprint)
    if number is None:
        message = f"the champion {champion.id} was trained on data that are no version of {task.name!r}"
        hint = f"Train one for the newest version: workbench add {task.name} --method {method}"
        raise InputError(message, hint=hint)
    return number


def _champion_before(made: StoredAdapter, workspace: Workspace, way: str, newest: int) -> StoredAdapter:
    """Return the champion before one of the newest version; raises InputError unless that one may be made of it."""
    known = (
        name for name in workspace.champions.names().values() if name.champion and name.champion.adapter == made.id
    )
    before = next((name.before.adapter for name in known if name.before is not None), None)
    made_by, from_champion = made.manifest.update, WAYS.get(way).from_champion
    fits = (made_by.way, made_by.champion) == (way, before) if made_by else not from_champion
    if before is None or not fits:
        raise _is_of_newest(made, newest)
    return workspace.adapters.verify(before)


def _is_of_newest(champion: StoredAdapter, newest: int) -> InputError:
    task = champion.manifest.task.name
    message = f"the champion {champion.id} is of {task}@{newest} already, the newest version"
    return InputError(message, hint=f"New rows make the next one: workbench tasks update {task} --from FILE")
