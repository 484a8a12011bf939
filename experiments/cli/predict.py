"""Ask an adapter, or several through a router, for the answers to texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter_workbench.experiments.terminal import completion, next_steps
from adapter_workbench.experiments.terminal.options import (
    Assignments,
    Folders,
    MaxFalseRejections,
    MinRoutingScore,
    Overwrite,
    WorkspaceOption,
    listed,
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
    shortened,
    stdout,
    table,
)
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from adapter_workbench.experiments.answers.known_labels import KnownLabels
    from adapter_workbench.experiments.answers.predicting import Ask, Predictor
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.terminal.asking import AnswerFile
    from adapter_workbench.fusion.routing.rejection import Rejection
    from adapter_workbench.tasks.rows.row_files import Rows
    from adapter_workbench.tasks.rows.table_form import NamedColumns

app = typer.Typer(add_completion=False)

ROUTED: Mapping[str, str] = {name: name for name in ("label", "confidence", "adapter", "task", "routing_score")}
NEAREST: Mapping[str, str] = {"nearest_task": "nearest_task"}  # where a router may find that a text is of none


@app.command()
def predict(
    adapter: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An adapter's id, its beginning, its short id, or the name of a task; or router:NAME.",
            autocompletion=completion.adapter,
        ),
    ],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts, each in quotes.")] = None,
    file: Annotated[
        Path | None,
        path_option("FILE", "One text a line; or CSV, TSV, JSONL, Parquet, XLSX with columns."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="Column with the text; that of the task's file if left out, else `text`."),
    ] = None,
    pair: Annotated[
        str | None, typer.Option(help="For tasks with two texts: the second text, or its column in the file.")
    ] = None,
    out: Annotated[
        Path | None,
        out_option("Write all columns of the file and the answers, or with .json what --json prints", *ANSWERS),
    ] = None,
    overwrite: Overwrite = False,
    prefix: Annotated[str, typer.Option(help="With --out: put this before the names of the new columns.")] = "",
    for_spreadsheets: Annotated[
        bool,
        typer.Option(
            "--for-spreadsheets", help="With --out: put an apostrophe before texts that begin like a formula."
        ),
    ] = False,
    backbone: Annotated[
        str | None, typer.Option(help="Where the adapter's backbone is now, if it was given by path.")
    ] = None,
    alone: Annotated[
        bool,
        typer.Option(
            "--alone", help="Compute each text by itself: no other text changes the last digits of its answer. Slower."
        ),
    ] = False,
    among: Annotated[
        str | None,
        typer.Option(
            metavar="ID,ID…",
            help="Ids or tasks among which a router chooses, separated by commas.",
            autocompletion=completion.adapters,
        ),
    ] = None,
    min_routing_score: MinRoutingScore = None,
    max_false_rejections: MaxFalseRejections = None,
    assignments: Assignments = None,
    workspace: WorkspaceOption = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Print the answer to each text, the confidence, and the adapter that answered; or write them to a file.

    Without TEXT, lines are read from stdin; blank lines are left out. A blank TEXT, or a row without a text, gets no
    answer: with --json, all values of its entry are null. If the file has the task's column of labels, the accuracy is
    printed too; `workbench evaluate` prints more.

    router:NAME chooses for each text which adapter answers (see `workbench routers list`). Without --among, it chooses
    among one adapter a task: the champion, else the best or newest. It leaves out tasks with other texts (pairs or
    single texts) and libraries that the router does not support. --set changes the router's settings. A router that
    reads training data needs the adapters' tasks. With --min-routing-score or --max-false-rejections, a text that fits
    none of these tasks gets no answer: with --json, its task is null and nearest_task has the highest score.
    """
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.terminal.asking import AnswerFile
    from adapter_workbench.experiments.terminal.progress import Messages, progress
    from adapter_workbench.fusion.routing.rejection import rejection
    from adapter_workbench.tasks.rows.table_form import NamedColumns

    router = adapter.removeprefix("router:") if adapter.startswith("router:") else None
    rejected = rejection(min_routing_score, max_false_rejections)
    if router and alone:
        raise InputError("--alone needs one adapter", hint="Give its id, or its task, in place of the router.")
    if router is None:
        _require_no_router(rejected, bool(among or assignments or (tasks and file is None)))
    ending = None if out is None else require_out(out, ANSWERS, overwrite, source=file)
    _require_out(ending, {"--for-spreadsheets": for_spreadsheets, "--prefix": prefix}, overwrite)
    workbench = Workbench(workspace, tasks, Messages())

    def route(items: Sequence[Any]) -> Sequence[Any]:
        # a display of its own, but where the rows of a file are counted: rich before 14.1 refuses a second one
        with progress(adapter) if out is None else nullcontext(workbench.listener) as workbench.listener:
            return workbench.route(str(router), items, listed(among), backbone, assignments or [], rejected)

    named = NamedColumns(column, pair)
    if router:
        rows, known = _for_router(route, file, texts, named)
        new_columns = {**ROUTED, **NEAREST} if rejected else ROUTED
    else:
        rows, known, new_columns = _for_adapter(
            workbench, partial(workbench.predictor, adapter, backbone, alone), file, texts, named
        )
    if out is not None and ending != DOCUMENT:
        _write(AnswerFile(out, rows, new_columns, prefix, file, for_spreadsheets), known, router, as_json)
        return
    _print(rows, known, router, as_json, out)
    if not as_json and out is None:
        given = next_steps.options(workspace, tasks, assignments)
        steps = [next_steps.predicting_file(adapter, pair is not None, given, among, backbone)]
        if file is not None and known.accuracy:
            further = next_steps.named([("--column", column), ("--pair", pair), ("--backbone", backbone)])
            steps.insert(0, next_steps.evaluating(adapter, file, f"{further}{next_steps.options(workspace, tasks)}"))
        next_steps.print_next(steps)


def _for_router(ask: Ask, file: Path | None, texts: list[str] | None, named: NamedColumns) -> tuple[Rows, KnownLabels]:
    """Return the rows to answer for, and what answers them through a router: several tasks have no labels in common."""
    from adapter_workbench.experiments.answers.known_labels import KnownLabels
    from adapter_workbench.experiments.terminal.asking import texts_of

    rows, text_of = texts_of(file, texts, named)
    return rows, KnownLabels(text_of, ask, None, None, None)


def _for_adapter(
    workbench: Workbench,
    predictor_of: Callable[[], Predictor],
    file: Path | None,
    texts: list[str] | None,
    named: NamedColumns,
) -> tuple[Rows, KnownLabels, Mapping[str, str]]:
    """Return the rows to answer for, what answers them with one adapter, and the columns of its answers."""
    from adapter_workbench.experiments.answers.known_labels import KnownLabels, label_column
    from adapter_workbench.experiments.terminal.asking import texts_of
    from adapter_workbench.tasks.reading.text_files import require_readable

    if file is None:
        rows, text_of = texts_of(None, texts, named)  # mistakes in them are said before those in the adapter's name
        predictor = predictor_of()
        return rows, KnownLabels(text_of, predictor, predictor.task, None, None), predictor.answer_columns
    require_readable(file)
    predictor = predictor_of()
    name = predictor.task.name
    task_file, known = workbench.task_file(name), workbench.known_dialect(name)
    rows, text_of = texts_of(file, texts, named, task_file, name, known)
    column = label_column(predictor.task, task_file, rows.columns)
    return rows, KnownLabels(text_of, predictor, predictor.task, task_file, column), predictor.answer_columns


def _require_no_router(rejected: Rejection | None, chooses: bool) -> None:
    """Raise InputError where options are given that mean something to a router alone."""
    if rejected:
        raise InputError(f"{rejected.option} needs a router", hint="Give router:NAME in place of the id.")
    if chooses:
        hint = "Give router:NAME in place of the id; --tasks also goes with --file."
        raise InputError("--among, --set and --tasks need a router", hint=hint)


def _require_out(ending: str | None, of_tables: Mapping[str, object], overwrite: bool) -> None:
    """Raise InputError where an option says how to write a file, and none is to be written, or not a table."""
    needing = of_tables if ending in (None, DOCUMENT) else {}
    if given := [name for name, value in needing.items() if value]:
        raise InputError(f"{given[0]} needs --out{' with a table' if ending else ''}", hint="Add --out answers.csv.")
    if overwrite and ending is None:
        raise InputError("--overwrite needs --out", hint="Add --out answers.csv.")


def _entries(texts: Sequence[Any], predictions: Sequence[Any], right: Sequence[str | None]) -> list[dict[str, Any]]:
    """Return an entry for each text that was given, with what is ``right`` if known; of a blank one all is None."""
    answers, unanswered = iter(predictions), dict.fromkeys(asdict(predictions[0]))
    entries = [unanswered if text is None else asdict(next(answers)) for text in texts]
    if not any(right):
        return entries
    return [{**entry, "right": label} for entry, label in zip(entries, right, strict=True)]


def _print(rows: Rows, known: KnownLabels, router: str | None, as_json: bool, out: Path | None) -> None:
    """Ask about the rows, and print the answers; ``out`` is a file for what --json prints."""
    from adapter_workbench.workbench.files.atomic import write_whole

    texts = [known.text_of(row) for row in rows]
    predictions = known.ask([text for text in texts if text is not None])
    if as_json or out:
        right = [text if text is None else known.right_of(row) for text, row in zip(texts, rows, strict=True)]
        entries = _entries(texts, predictions, right)
        if out:
            write_whole(out, as_document(entries))
        if as_json:
            emit(entries)
            return
    columns = ["label", "confidence", "adapter", *(["routing score"] if router else []), "text"]
    table(columns, [_table_row(prediction, router is not None) for prediction in predictions])
    if rejected := sum(prediction.label is None for prediction in predictions):
        stdout.print(f"\n{_rejected(rejected, len(predictions), router)}")
    if empty := texts.count(None):
        stdout.print(f"\n{rows.count:,} rows{_without_answer(empty)}.")
    if known.accuracy:
        stdout.print(f"\n{known}")
    if out:
        stdout.print(f"\nWrote {out}: {rows.count:,} rows.")


def _table_row(prediction: Any, routed: bool) -> list[str]:
    sure = "–" if prediction.confidence is None else f"{prediction.confidence:.3f}"
    score = [f"{prediction.routing_score:.4g}"] if routed else []
    if prediction.label is None:
        nearest = f"– (nearest: {prediction.nearest_task})"
        return ["none of these tasks", sure, nearest, *score, shortened(prediction.text)]
    return [prediction.label, sure, prediction.adapter, *score, shortened(prediction.text)]


def _rejected(few: int, number: int, router: str | None) -> str:
    from adapter_workbench.fusion.routing.routers import ROUTERS

    return f"None of these tasks: {few:,} of {number:,} texts, by the score ({ROUTERS.get(str(router)).meaning})."


def _write(answers: AnswerFile, known: KnownLabels, router: str | None, as_json: bool) -> None:
    rejected = 0

    def ask(texts: Sequence[Any]) -> Sequence[Any]:
        nonlocal rejected
        predictions = known.ask(texts)
        rejected += sum(prediction.label is None for prediction in predictions)
        return predictions

    empty = answers.write(known.text_of, ask)
    if as_json:
        share, labelled = known.accuracy or (None, 0)
        document = {"path": str(answers.path), "rows": answers.rows.count, "empty": empty}
        emit(
            {**document, "columns": list(answers.new_columns), "accuracy": share, "labelled": labelled}
            | ({"rejected": rejected} if router else {})
        )
        return
    stdout.print(f"Wrote {answers.path}: {answers.rows.count:,} rows{_without_answer(empty)}.")
    stdout.print(f"New columns: {', '.join(answers.new_columns)}")
    if rejected:
        stdout.print(_rejected(rejected, answers.rows.count - empty, router))
    if known.accuracy:
        stdout.print(str(known))


def _without_answer(empty: int) -> str:
    return f", {empty:,} of them without a text and so without an answer" if empty else ""
