"""Score an adapter on a labelled file: scores, labels, confusions, wrong answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.terminal import next_steps
from adapter_workbench.experiments.terminal.options import (
    Adapter,
    Folders,
    Overwrite,
    WorkspaceOption,
    out_option,
    path_option,
)
from adapter_workbench.experiments.terminal.output import (
    ANSWERS,
    DOCUMENT,
    Json,
    as_document,
    emit,
    require_out,
    stdout,
)
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from adapter_workbench.experiments.answers.evaluated import Evaluated, JudgedRow
    from adapter_workbench.experiments.answers.predicting import Predictor
    from adapter_workbench.experiments.terminal.asking import AnswerFile
    from adapter_workbench.tasks.rows.row_files import FileRows

    Write: TypeAlias = Callable[[Evaluated], None]

app = typer.Typer(add_completion=False)

PREFIX = "predicted_"
MOST_WRONG = 1000


@app.command()
def evaluate(
    adapter: Adapter,
    file: Annotated[Path | None, path_option("FILE", "Labelled rows: CSV, TSV, TXT, JSONL, Parquet or XLSX.")] = None,
    column: Annotated[
        str | None, typer.Option(help="Column with the text; that of the task's file if left out, else `text`.")
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(help="Column with the right answer; that of the task's file if left out, else `label`."),
    ] = None,
    pair: Annotated[str | None, typer.Option(help="For tasks with two texts: the column of the second.")] = None,
    wrong: Annotated[
        int, typer.Option("--wrong", min=0, max=MOST_WRONG, help="Wrong answers to show, the surest first.")
    ] = 10,
    out: Annotated[
        Path | None,
        out_option("Write all columns of the file and the answers, or with .json what --json prints", *ANSWERS),
    ] = None,
    figure: Annotated[Path | None, path_option("FILE", "Draw the confusion matrix: a PNG, SVG or PDF file.")] = None,
    overwrite: Overwrite = False,
    prefix: Annotated[str, typer.Option(help="With --out: put this before the names of the new columns.")] = PREFIX,
    backbone: Annotated[
        str | None, typer.Option(help="Where the adapter's backbone is now, if it was given by path.")
    ] = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Score an adapter's answers on the rows of a labelled file.

    Accuracy, macro F1 and the scores of other kinds of tasks come with 95 % intervals over the rows; then precision,
    recall and F1 of each label, the confusion matrix, and wrong answers. Rows without a text or a label, and rows with
    labels that the task does not have, are counted and left out. Nothing is stored or logged.
    """
    from adapter_workbench.experiments.answers.table_evaluation import evaluate_table, require_columns, table_of
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.terminal.asking import labelled_table
    from adapter_workbench.experiments.terminal.progress import Messages
    from adapter_workbench.tasks.rows.table_form import NamedColumns, expected_columns
    from adapter_workbench.workbench.files.atomic import require_new, write_whole

    path = _required_file(adapter, file)
    ending = _require_out(out, overwrite, prefix, path)
    workbench = Workbench(workspace, tasks, Messages())
    predictor = workbench.predictor(adapter, backbone)
    named, task = NamedColumns(column, pair, label_column), workbench.task_file(predictor.task.name)
    rows = labelled_table(path, expected_columns(task, named), workbench.known_dialect(predictor.task.name))
    require_columns(predictor.task, task, rows.columns, named, str(path))
    table = None if ending == DOCUMENT else out
    writers = [*_writers(table, prefix, rows, path, predictor), *_drawers(figure, predictor.task.kind)]
    if figure is not None:
        require_new(figure, overwrite)
    result = evaluate_table(predictor, task, table_of(rows), named, str(path))
    for write in writers:
        write(result)
    files = {"file": str(path), "out": out and str(out), "figure": figure and str(figure)}
    document = {**result.as_json(wrong), **files}
    if out is not None and ending == DOCUMENT:
        write_whole(out, as_document(document))
    if as_json:
        emit(document)
        return
    given = [("--column", column), ("--label-column", label_column), ("--pair", pair), ("--backbone", backbone)]
    _print(result, wrong, out, figure)
    further = f"{next_steps.named(given)} --out answers.csv{next_steps.options(workspace, tasks)}"
    steps = [] if out else [next_steps.evaluating(adapter, path, further)]
    next_steps.print_next([*steps, f"workbench serve {adapter}{next_steps.options(workspace)}"])


def _required_file(adapter: str, file: Path | None) -> Path:
    """Return the file; raises InputError where there is none, or several adapters would answer."""
    if adapter.startswith("router:"):
        hint = "Evaluate its adapters one by one; a recipe with `routers` compares routers."
        raise InputError("a router has no labels of its own", where=adapter, hint=hint)
    if file is None:
        hint = "Give --file labelled.csv. Without labels: workbench predict ID --file FILE"
        raise InputError("workbench evaluate needs a labelled file", hint=hint)
    from adapter_workbench.tasks.reading.text_files import require_readable

    require_readable(file)
    return file


def _require_out(out: Path | None, overwrite: bool, prefix: str, source: Path) -> str | None:
    """Return the ending of ``--out``; None without it.

    Raises:
        InputError: nothing can be written there, or there is no column to put a prefix before.
    """
    ending = None if out is None else require_out(out, ANSWERS, overwrite, source=source)
    if prefix != PREFIX and ending in (None, DOCUMENT):
        raise InputError("--prefix needs --out with a table", hint="Add --out answers.csv.")
    return ending


def _writers(out: Path | None, prefix: str, rows: FileRows, source: Path, predictor: Predictor) -> Iterator[Write]:
    """Yield what writes the answers to the table ``out``; raises InputError where that cannot be written."""
    from adapter_workbench.experiments.terminal.asking import AnswerFile

    if out is not None:
        rest = ("error", "adapter") if predictor.target == "value" else ("confidence", "correct", "adapter")
        columns = {predictor.target: "value", **{name: name for name in rest}}
        yield partial(_write, AnswerFile(out, rows, columns, prefix, source))


def _drawers(figure: Path | None, kind: str) -> Iterator[Write]:
    """Yield what draws the confusion matrix; raises InputError where it cannot be drawn."""
    if figure is not None:
        _require_drawable(figure, kind)
        yield partial(_draw, figure)


def _print(result: Evaluated, wrong: int, out: Path | None, figure: Path | None) -> None:
    from adapter_workbench.experiments.terminal.evaluation import print_evaluated

    print_evaluated(result, wrong)
    for what, path in (("the answers", out), ("the confusion matrix", figure)):
        if path is not None:
            stdout.print(f"\nWrote {what} to {path}")


def _require_drawable(path: Path, kind: str) -> None:
    """Raise InputError where no confusion matrix can be drawn there, or a kind of task has none."""
    from adapter_workbench.experiments.reporting.files import FORMATS
    from adapter_workbench.workbench.files.atomic import require_folder_of

    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise InputError("cannot tell the format to draw", where=str(path), hint=f"Known: .{', .'.join(FORMATS)}.")
    if kind != "classification":
        message = f"a {kind} task has no confusion matrix: only tasks with one label a text have"
        raise InputError(message, where="--figure", hint="Leave it out.")
    require_folder_of(path)


def _write(answers: AnswerFile, result: Evaluated) -> None:
    """Write the answers; a row that was not judged has none."""
    by_row = {row.row: row for row in result.rows}
    numbered: Iterator[JudgedRow | None] = (by_row.get(number) for number in range(1, result.total + 1))
    answers.write(lambda row: next(numbered), lambda judged: judged)


def _draw(path: Path, result: Evaluated) -> None:
    from adapter_workbench.experiments.reporting.confusion_figure import confusion_figure
    from adapter_workbench.experiments.reporting.figures import image
    from adapter_workbench.workbench.files.atomic import file_written_whole

    drawn = confusion_figure(result.task.labels, result.confusion or (), f"{result.adapter}: {len(result.rows):,} rows")
    content = image(drawn, path.suffix.lower().removeprefix("."))
    with file_written_whole(path) as scratch:
        scratch.write_bytes(content)
