"""The tasks that sources were trained on, for compositions that read examples of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task


def by_data(tasks: Iterable[Task]) -> dict[str, Task]:
    """Return tasks, each once, under their names and fingerprints: versions of one task differ in their data alone."""
    return {f"{task.name} {task.fingerprint}": task for task in tasks}


def task_of(source: StoredAdapter, known: Mapping[str, Task]) -> Task | None:
    """Return the one of the ``known`` tasks that a source was trained on; None where there is none."""
    own = source.manifest.task
    return next((task for task in known.values() if task.name == own.name and task.is_that_of(own)), None)


def tasks_of(sources: Sequence[StoredAdapter], known: Mapping[str, Task]) -> tuple[Task, ...]:
    """Return the task that each source was trained on, in order, out of those that are ``known``.

    Raises:
        InputError: some are not known, or have other data now; the message names all of them.
    """
    tasks = {source.id: task for source in sources if (task := task_of(source, known))}
    missing = [
        f"no task {source.manifest.task.name!r} with the data that {source.id} was trained on"
        for source in sources
        if source.id not in tasks
    ]
    if missing:
        message = f"this composition reads examples of the sources' tasks: {'; '.join(missing)}"
        hint = "--tasks names the folder of a task's file; arrow-tokens chooses among LoRAs without data."
        raise InputError(message, hint=hint)
    return tuple(tasks[source.id] for source in sources)
