"""Find out whether new rows are still those of a task; exit code 3 where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.answers.drift.bounds import DriftBounds
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.asked import option, options_of
from adapter_workbench.experiments.terminal.options import Folders, TaskName, WorkspaceOption, path_option
from adapter_workbench.experiments.terminal.output import Json, emit
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.answers.drift.new_rows import NewRows
    from adapter_workbench.experiments.answers.drift.server import ServedCounts
    from adapter_workbench.experiments.answers.predicting import Predictor
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.tasks.rows.table_form import NamedColumns

app = typer.Typer(add_completion=False)


@app.command()
@options_of(
    DriftBounds,
    level=option(metavar="P"),
    max_lost=option(metavar="X"),
    max_foreign=option(metavar="X"),
)
def drift(
    task: TaskName,
    *,
    file: Annotated[
        Path | None, path_option("FILE", "One text a line; or CSV, TSV, JSONL, Parquet, XLSX with columns.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="In place of a file: a server's counts of answers and confidence since it started."
        ),
    ] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="With --server: file with the key that it wants.")] = None,
    column: Annotated[
        str | None, typer.Option(help="Column with the text; that of the task's file if left out, else `text`.")
    ] = None,
    pair: Annotated[str | None, typer.Option(help="For tasks with two texts: the column of the second.")] = None,
    label_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column with the right answers: right answers are compared too."),
    ] = None,
    labels: Annotated[str | None, typer.Option(hidden=True, help="Earlier name of --label-column.")] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="One of the task's adapters, in place of its champion.",
            autocompletion=completion.adapter,
        ),
    ] = None,
    bounds: DriftBounds,
    backbone: Annotated[
        str | None, typer.Option(help="Where the adapter's backbone is now, if it was given by path.")
    ] = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Compare new rows with test rows of TASK, on which nothing was trained or chosen: is this still the task?

    Without --label-column: the shares of the answers, the confidence, the texts' features, the share that a router
    would send to another task, and the share that looks like nothing known. With --label-column also: right answers,
    and the shares of right labels. Each has a test whose p is adjusted for their number, so that rows of the task are
    called drifted with a chance of at most --level. How much: the share of rows that is unlike the test rows, beyond
    chance; below 20 % it is somewhat, from 50 % on it is no longer this task. The exit code is 3 for any drift, or from
    --max-foreign on. At most 2,000 rows are compared; of more, so many are drawn.
    Nothing is trained.

    With --server, the answers that the adapter gave there are compared: their shares, and how many are how confident.
    """
    from adapter_workbench.experiments.answers.drift.drift import drift_of
    from adapter_workbench.experiments.answers.drift.server import served_drift
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.terminal.drift import print_drift
    from adapter_workbench.experiments.terminal.progress import Messages
    from adapter_workbench.tasks.reading.text_files import require_readable
    from adapter_workbench.tasks.rows.table_form import NamedColumns
    from adapter_workbench.workbench.mlflow.address import printable_address

    label = _one_label_column(label_column, labels)
    _require_one_source(task, file, server, api_key_file, {"--column": column, "--pair": pair, "--label-column": label})
    if file is not None:
        require_readable(file)
    workbench = Workbench(workspace, tasks, Messages())
    predictor = workbench.predictor(adapter or task, backbone)
    _require_task(task, adapter, predictor)
    bounds.require_possible(predictor.task, label is not None)
    if file is not None:
        named = NamedColumns(column, pair, label)
        new = _new_rows(workbench, predictor, file, named)
        result = drift_of(
            workbench.workspace, predictor.adapter, new, bounds, backbone, workbench.task_folders, workbench.listener
        )
    else:
        served = _served(predictor, str(server), api_key_file)
        result = served_drift(predictor.adapter, served, bounds, backbone, workbench.task_folders)
    if as_json:
        shown = printable_address(server) if server else None
        emit({**result.as_json(), "file": str(file) if file else None, "server": shown})
    else:
        print_drift(result)
    result.require()


def _one_label_column(label_column: str | None, labels: str | None) -> str | None:
    """Return the column with the right answers; InputError where it is given by both of its names."""
    if label_column is not None and labels is not None:
        raise InputError("--labels is the earlier name of --label-column", hint="Leave one out.")
    return labels if label_column is None else label_column


def _require_one_source(
    task: str, file: Path | None, server: str | None, key_file: Path | None, columns: Mapping[str, str | None]
) -> None:
    """Raise InputError where there are no rows, two sources of them, columns of a server, or a key for none."""
    if file is None and server is None:
        raise InputError("workbench drift needs a file", hint=f"Give the new rows: workbench drift {task} --file FILE")
    if file is not None and server is not None:
        raise InputError("--server cannot be combined with --file", hint="Leave one out.")
    if server is not None and (given := [name for name, value in columns.items() if value is not None]):
        raise InputError(f"{given[0]} needs --file", hint="A server counts answers, and keeps no rows.")
    if server is None and key_file is not None:
        raise InputError("--api-key-file needs --server", hint="It is the key of a server.")


def _served(predictor: Predictor, url: str, key_file: Path | None) -> ServedCounts:
    """Return what the server at an address has counted of an adapter."""
    from adapter_workbench.experiments.answers.drift.server import metrics_page, require_counted, served_counts
    from adapter_workbench.experiments.answers.http_server.address import read_key
    from adapter_workbench.workbench.mlflow.address import printable_address

    require_counted(predictor.task.kind, predictor.task.name)
    page = metrics_page(url, read_key(key_file) if key_file else None)
    return served_counts(page, predictor.adapter.id, printable_address(url))


def _require_task(task: str, adapter: str | None, predictor: Predictor) -> None:
    """Raise InputError where the adapter that was named is of another task."""
    if adapter is not None and predictor.task.name != task:
        hint = f"Its own: workbench drift {predictor.task.name} --adapter {adapter}"
        raise InputError(
            f"{predictor.adapter.id} is an adapter of {predictor.task.name!r}", where="--adapter", hint=hint
        )


def _new_rows(workbench: Workbench, predictor: Predictor, path: Path, named: NamedColumns) -> NewRows:
    """Return the rows of a file; raises InputError where a column is not there, before anything heavy is imported."""
    from adapter_workbench.experiments.answers.drift.new_rows import labelled_file, unlabelled
    from adapter_workbench.experiments.terminal.asking import labelled_table, texts_of
    from adapter_workbench.tasks.rows.table_form import expected_columns

    task = predictor.task
    task_file, known = workbench.task_file(task.name), workbench.known_dialect(task.name)
    if named.label is None:
        rows, text_of = texts_of(path, None, named, task_file, task.name, known)
        return unlabelled(rows, text_of, str(path))
    table = labelled_table(path, expected_columns(task_file, named), known)
    return labelled_file(task, task_file, table, named, str(path))
