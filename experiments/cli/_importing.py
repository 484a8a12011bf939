"""`workbench adapters import`: adapters and models from other workspaces, and from other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.requests.importing import ImportOptions
from adapter_workbench.experiments.terminal import completion, import_results, next_steps
from adapter_workbench.experiments.terminal.asked import option, options_of
from adapter_workbench.experiments.terminal.options import Folders, WorkspaceOption
from adapter_workbench.experiments.terminal.output import Json, emit
from adapter_workbench.experiments.terminal.progress import Messages, going_through

if TYPE_CHECKING:
    from adapter_workbench.experiments.answers.import_options import Source
    from adapter_workbench.experiments.answers.importing import ImportResult
    from adapter_workbench.experiments.api import Workbench


def _labels(text: str | None) -> tuple[str, ...] | None:
    from adapter_workbench.experiments.answers.import_options import labels_in

    return None if text is None else labels_in(text)


def _text(folder: Path | None) -> str | None:
    return None if folder is None else str(folder)


@options_of(
    ImportOptions,
    task=option(autocompletion=completion.task),
    backbone=option(autocompletion=completion.backbone),
    labels=option(read=_labels),
    link=option("--link"),
    backbone_to=option("--backbone-to", metavar="FOLDER", typed=Path, read=_text),
)
def import_(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DIR_OR_HUB_ID…",
            help="Folders that `adapters export`, peft, adapters or transformers wrote, or hub ids.",
            autocompletion=completion.folder,
            show_default=False,
        ),
    ] = None,
    *,
    from_file: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST", help="File with one folder or hub id a line, or a YAML list with options for each."
        ),
    ] = None,
    options: ImportOptions,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Take in adapters and models that were trained elsewhere; no code in them is run.

    What `adapters export` wrote is verified and copied. Folders of peft (`save_pretrained`) answer here as their own
    program does: this is tried on texts, and a folder whose answers cannot be repeated is refused. If a folder has no
    head, a linear one is fitted on the frozen features of the training examples of --task. A hub id is OWNER/NAME or
    OWNER/NAME@REVISION.

    Whole models of transformers, Trainer or sentence-transformers come in too. With --backbone, a model is stored as
    weights on its base model. Without, it is its own backbone: its files are copied, or read where they are (--link).

    Nobody knows what it was trained on. So its sender's scores do not count (for what a task's name means, for gates
    and champions, for `fuse --from auto:K`) until `workbench adapters test ID` has measured it here.

    The base model that its sender names is opened only if you have it: under a registered name, or because another
    adapter of this workspace belongs to it. If its sender names a folder that is here, its weights say which of these
    it is. Otherwise name it with --backbone (`itself`: a whole model is its own).

    An adapter of peft may bring tokens that were added to the base model, or an output layer that it trained. With
    --backbone-to, the base model is written with them to a folder, and the adapter belongs to that one.

    If the folder does not name its labels, `--labels auto` finds their order: the one with most right answers on the
    validation rows of --task. It is refused where the next best order may be as good (exit code 2).

    If one of several is refused, the others still come in, and the exit code is 2. After a stop, the same command goes
    on: what came in before is not stored again.
    """
    from adapter_workbench.experiments.api import Workbench

    sources = _sources(folders or [], from_file, options)
    workbench = Workbench(workspace, tasks, Messages())
    results = _import(workbench, sources)
    if as_json:
        emit(import_results.document(results))
    if len(results) == 1 and results[0].error:
        raise results[0].error
    if not as_json:
        _print(results, workbench, workspace, tasks)
    if codes := [result.error.exit_code for result in results if result.error]:
        raise typer.Exit(max(codes))


def _sources(names: Sequence[str], file: Path | None, options: ImportOptions) -> list[Source]:
    """Return the folders and hub ids to import, with the options of each; raises InputError if there are none."""
    from adapter_workbench.experiments.answers.import_list import listed
    from adapter_workbench.experiments.answers.import_options import Source
    from adapter_workbench.workbench.errors import InputError

    if not names and file is None:
        raise InputError("adapters import needs a folder or a hub id", hint="Or a list of them: --from-file LIST")
    return [*(Source(name, options) for name in names), *(listed(file, options) if file else ())]


def _import(workbench: Workbench, sources: Sequence[Source]) -> list[ImportResult]:
    """Return the result of each; with several, print the progress."""
    results = workbench.exchange.import_adapters(sources)
    if len(sources) == 1:
        return [*results]
    finished: list[ImportResult] = []
    with going_through("adapters", len(sources)) as done:
        for result in results:
            finished.append(result)
            what = result.stored.id if result.stored else "refused"
            done(f"{result.source.name}: {what}{' (came in before)' if result.was_here else ''}")
    return finished


def _print(
    results: Sequence[ImportResult], workbench: Workbench, workspace: Path | None, folders: Sequence[Path] | None
) -> None:
    from adapter_workbench.experiments.terminal import after_import
    from adapter_workbench.tasks.loading import registry
    from adapter_workbench.workbench.adapters.name_resolution import readable

    if len(results) > 1:
        import_results.show_many(results)
    elif stored := results[0].stored:
        import_results.show_single(stored, results[0].was_here, results[0].derived.lines)
    imported = [result.stored for result in results if result.stored and result.stored.manifest.imported]
    if imported:
        here = workbench.workspace.origins.in_service(readable(workbench.workspace.adapters))
        known = registry.names(workbench.task_folders)
        next_steps.print_next(after_import.commands(imported, here, known, workspace, folders))
