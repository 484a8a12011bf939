"""The tasks that sources were trained on, for compositions that read examples of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.methods.task import Task


def tasks_of(sources: Sequence[StoredAdapter], known: Mapping[str, Task]) -> tuple[Task, ...]:
    """Return the task that each source was trained on, in order, out of those ``known`` by name.

    Raises:
        InputError: some are not known, or have other data now; the message names all of them.
    """
    missing = []
    for source in sources:
        own = source.manifest.task
        if own.name not in known or not known[own.name].is_that_of(own):
            missing.append(f"no task {own.name!r} with the data that {source.id} was trained on")
    if missing:
        message = f"this composition reads examples of the sources' tasks: {'; '.join(missing)}"
        hint = "--tasks names the folder of a task's file; arrow-tokens chooses among LoRAs without data."
        raise InputError(message, hint=hint)
    return tuple(known[source.manifest.task.name] for source in sources)
