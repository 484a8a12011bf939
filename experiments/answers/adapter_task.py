"""The data that a stored adapter was trained on, where they are still to be had."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.label_order import require_same_answers
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import AssetError, InputError
from adapter_workbench.workbench.methods.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.tasks.loading.registry import FindTask
    from adapter_workbench.tasks.reading.known_dialect import KnownDialect
    from adapter_workbench.tasks.task_file.task_file import TaskFile
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task


def adapter_task(adapter: StoredAdapter, task_folders: Sequence[Path], need: str, instead: str) -> Task:
    """Return the task that an adapter was trained on, drawn to its budget with its seed.

    Of a task with versions it is the version with its data. Of one from elsewhere it is the task that it answers, as it
    is here: it may have been trained on other data.

    Args:
        adapter: as it is stored.
        task_folders: of the person's own tasks.
        need: who needs which of its examples, for a message: ``the router needs the training examples``.
        instead: what needs no data, for the hint.

    Raises:
        InputError: the task is not to be seen from here, its data are no longer those, or its labels are others.
    """
    recorded = adapter.manifest.task
    try:
        task = registry.load(registry.finder(task_folders)(recorded.name, recorded.fingerprint))
    except InputError as error:
        hint = f"{error.hint or ''} --tasks names the folder of its file; {instead} needs no data.".lstrip()
        raise InputError(f"{need} of {adapter.id}, but {error.what}", where=error.where, hint=hint) from None
    if not task.is_that_of(recorded):
        if not recorded.fingerprint:
            require_same_answers(recorded, task, where=recorded.name)
        hint = f"Train the adapter again on the data as they are, or bring the old ones back; {instead} needs none."
        raise InputError(f"the data of {recorded.name!r} have changed since {adapter.id} was trained", hint=hint)
    return draw(task, adapter.manifest.budget, adapter.manifest.seed_here)


def task_file(name: str, task_folders: Sequence[Path]) -> TaskFile | None:
    """Return what the file of a task says of its examples; None where it is not to be seen from here, or not sound.

    It is read and not loaded: no data are needed, and no code runs.
    """
    try:
        return registry.find(name, task_folders).file.of_examples
    except InputError:
        return None


def known_dialect(name: str, task_folders: Sequence[Path]) -> KnownDialect | None:
    """Return how the files of a task are written; None where that is not to be seen from here."""
    try:
        return registry.find(name, task_folders).known_dialect
    except InputError:
        return None


def same_task(adapter: StoredAdapter, find: FindTask) -> Task | None:
    """Return the whole task that an adapter was trained on; None where its data are no longer those.

    Of one from elsewhere it is the task that it answers, as it is here: it may have been trained on other data.

    Raises:
        InputError: the task is not to be seen from here.
        AssetError: its data cannot be fetched.
    """
    recorded = adapter.manifest.task
    task = registry.load(find(recorded.name, recorded.fingerprint))
    return task if task.is_that_of(recorded) else None


def on_data_here(adapters: Sequence[StoredAdapter], task_folders: Sequence[Path]) -> tuple[StoredAdapter, ...]:
    """Return the adapters, those whose data are unknown with the fingerprint of their task's data as they are here.

    So what is learned of them with these data is known again, and is learned anew once the data change.
    """
    return tuple(
        adapter if adapter.manifest.task.fingerprint else _with_data_here(adapter, task_folders) for adapter in adapters
    )


def _with_data_here(adapter: StoredAdapter, task_folders: Sequence[Path]) -> StoredAdapter:
    manifest = adapter.manifest
    with suppress(InputError, AssetError):
        if task := same_task(adapter, registry.finder(task_folders)):
            named = manifest.task.model_copy(update={"fingerprint": task.fingerprint})
            return replace(adapter, manifest=manifest.model_copy(update={"task": named}))
    return adapter
