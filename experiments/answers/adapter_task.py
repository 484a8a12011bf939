"""The data that a stored adapter was trained on, where they are still to be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks import registry
from workbench.errors import InputError
from workbench.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tasks.spec import TaskSpec
    from tasks.task_file import TaskFile
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task


def adapter_task(adapter: StoredAdapter, task_folders: Sequence[Path], need: str, instead: str) -> Task:
    """Return the task that an adapter was trained on, drawn to its budget with its seed.

    Args:
        adapter: as it is stored.
        task_folders: of the person's own tasks.
        need: who needs which of its examples, for a message: ``the router needs the training examples``.
        instead: what needs no data, for the hint.

    Raises:
        InputError: the task is not to be seen from here, or its data are no longer those.
    """
    try:
        task = same_task(adapter, registry.finder(task_folders))
    except InputError as error:
        hint = f"{error.hint or ''} --tasks names the folder of its file; {instead} needs no data.".lstrip()
        raise InputError(f"{need} of {adapter.id}, but {error.what}", where=error.where, hint=hint) from None
    if task is None:
        hint = f"Train the adapter again on the data as they are, or bring the old ones back; {instead} needs none."
        name = adapter.manifest.task.name
        raise InputError(f"the data of {name!r} have changed since {adapter.id} was trained", hint=hint)
    return draw(task, adapter.manifest.budget, adapter.manifest.seed)


def task_file(name: str, task_folders: Sequence[Path]) -> TaskFile | None:
    """Return what the file of a task says today; None where no such file is to be seen from here, or it is not sound.

    It is read and not loaded: no data are needed, and no code runs.
    """
    try:
        return registry.find(name, task_folders).file
    except InputError:
        return None


def same_task(adapter: StoredAdapter, find: Callable[[str], TaskSpec]) -> Task | None:
    """Return the whole task that an adapter was trained on; None where its data are no longer those.

    Raises:
        InputError: the task is not to be seen from here.
    """
    recorded = adapter.manifest.task
    task = registry.load(find(recorded.name))
    return task if task.fingerprint == recorded.fingerprint else None
