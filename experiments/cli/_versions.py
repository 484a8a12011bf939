"""`workbench tasks update`, `history` and `diff`: a task lives on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.options import Folders, path_option
from adapter_workbench.experiments.terminal.output import Json, emit
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError

TaskName = Annotated[
    str, typer.Argument(metavar="TASK", help="Name of a task.", show_default=False, autocompletion=completion.task)
]


def update(
    name: TaskName,
    origin: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE_OR_HUB_ID", help="File, folder or hub id with rows.", show_default=False),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace/--append", help="Whether these rows are all that the task has, or come to the others."),
    ] = False,
    labels: Annotated[
        Path | None,
        path_option("FILE", "YAML file that says which labels to add, rename, merge, split or retire."),
    ] = None,
    note: Annotated[str, typer.Option(metavar="LINE", help="A note that is kept with the version.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change; nothing is written.")] = False,
    as_json: Json = False,
    tasks: Folders = None,
) -> None:
    """Make the next version of a task: more rows, other rows, or other labels. The task keeps its name.

    TASK means its newest version, and TASK@N its version N. A text stays in the split in which some version had it
    first, so test rows stay test rows; new texts are dealt to the splits by a digest of the text.
    """
    from adapter_workbench.experiments.terminal.task_versions import print_update
    from adapter_workbench.tasks.updating.report import report
    from adapter_workbench.tasks.updating.update import UpdateRequest
    from adapter_workbench.tasks.updating.update import update as update_task
    from adapter_workbench.workbench.settings.base import read

    if replace and origin is None:
        raise InputError("--replace needs --from FILE", hint="Its rows take the place of the others.")
    if origin is None and labels is None:
        raise InputError("tasks update needs --from FILE, --labels FILE, or both")
    registry.find(name, folders := registry.user_folders(tasks))  # a mistyped name is reported first
    request = UpdateRequest(origin, replace, None if labels is None else read(labels), " ".join(note.split()))
    writable = registry.writable_folder(tasks[0] if tasks else None)
    made = report(update_task(name, folders, writable, request, dry_run=dry_run), dry_run=dry_run)
    emit(made) if as_json else print_update(made)


def history(name: TaskName, as_json: Json = False, tasks: Folders = None) -> None:
    """List the versions of a task: when each was made, from what, and what changed."""
    from adapter_workbench.experiments.terminal.task_versions import print_history
    from adapter_workbench.tasks.updating.history import history as versions_of

    entries = versions_of(name, registry.user_folders(tasks))
    emit(entries) if as_json else print_history(entries)


def diff(
    older: Annotated[str, typer.Argument(metavar="TASK@N", help="The older version.", show_default=False)],
    newer: Annotated[
        str | None, typer.Argument(metavar="[TASK@M]", help="The newer version; the newest if left out.")
    ] = None,
    as_json: Json = False,
    tasks: Folders = None,
) -> None:
    """Say how two versions of a task differ: rows, labels, shares of classes, lengths, texts with several labels."""
    from adapter_workbench.experiments.terminal.task_versions import print_difference
    from adapter_workbench.tasks.updating.difference import difference

    compared = difference(older, newer, registry.user_folders(tasks))
    emit(compared) if as_json else print_difference(compared)
