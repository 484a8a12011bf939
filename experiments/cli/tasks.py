"""List, show, check, add and update tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from adapter_workbench.experiments.cli import _versions
from adapter_workbench.experiments.terminal import completion
from adapter_workbench.experiments.terminal.data_check import print_check
from adapter_workbench.experiments.terminal.next_steps import options, print_next, training
from adapter_workbench.experiments.terminal.options import FOLDERS, Folders
from adapter_workbench.experiments.terminal.output import Json, emit, listing, stderr, stdout, table
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.task_file.spec import TaskSpec
from adapter_workbench.workbench.errors import DataError, InputError
from adapter_workbench.workbench.settings.base import Document

KEPT_TOKENS = 128  # of a text, where `check` counts the texts that are cut
app = typer.Typer(
    help="List, show, check, add and update tasks, and compare their versions.",
    no_args_is_help=True,
    add_completion=False,
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a task.", show_default=False, autocompletion=completion.task)
]


@app.command("list")
def list_(as_json: Json = False, tasks: Folders = None) -> None:
    """List all tasks: those of the catalog and your own; a file that is not a task's is named on stderr."""
    folders = registry.user_folders(tasks)
    listing([*_entries(registry.finder(folders), registry.names(folders))], as_json)


def _entries(find: Callable[[str], TaskSpec], names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield what the list has of each task; what is wrong with a file is said, and the others are listed."""
    for name in names:
        try:
            spec = find(name)
        except InputError as error:
            stderr.print(f"Not readable: {error}")
            continue
        yield {"name": spec.name, "description": spec.description, "source": spec.source}


@app.command()
def show(name: Name, as_json: Json = False, tasks: Folders = None) -> None:
    """Show what a task's file says; nothing is downloaded."""
    spec = registry.find(name, registry.user_folders(tasks))
    _warn_of_code(spec)
    facts = _facts(spec)
    if as_json:
        emit(facts)
    else:
        table(["", ""], [(key, value if isinstance(value, str) else _plain(value)) for key, value in facts.items()])


@app.command()
def check(
    name: Name,
    backbone: Annotated[str | None, typer.Option(help="Also count tokens, with this backbone's tokenizer.")] = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            min=4,
            help="With --backbone: number of tokens kept of a text, to count the texts that are cut.",
            show_default=f"{KEPT_TOKENS}",
        ),
    ] = None,
    as_json: Json = False,
    tasks: Folders = None,
) -> None:
    """Load a task and report sizes, balance, duplicates, leakage and, with --backbone, lengths and unknown tokens."""
    from adapter_workbench.tasks.drafting.check import check as examine

    if max_length is not None and not backbone:
        raise InputError("--max-length needs --backbone NAME", hint="Tokens are counted by its tokenizer.")
    length = KEPT_TOKENS if max_length is None else max_length
    spec = registry.find(name, registry.user_folders(tasks))
    _warn_of_code(spec)
    task = registry.load(spec)
    tokenizer = None
    if backbone:
        from adapter_workbench.workbench.backbone.names import open_backbone

        tokenizer = open_backbone(backbone).tokenizer
    report = examine(task, tokenizer, length if tokenizer else None)
    emit(report) if as_json else print_check(report, length)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new task.", show_default=False)],
    origin: Annotated[str, typer.Option("--from", metavar="FILE_OR_HUB_ID", help="File, folder or hub id.")],
    kind: Annotated[
        str | None, typer.Option(help="Kind of the task; guessed if left out.", autocompletion=completion.kind)
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="COLUMN", help="Text column; guessed if left out.")] = None,
    pair: Annotated[str | None, typer.Option(metavar="COLUMN", help="Second text column, for pairs.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Label column; guessed if left out. Several times for columns of 1 and 0."),
    ] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column with the right answers, if they are free text.")
    ] = None,
    separator: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Text between several labels in one string.")
    ] = None,
    format: Annotated[  # noqa: A002 - the key's name in a task file
        str | None,
        typer.Option(
            metavar="NAME",
            help="Format of the files: csv, tsv, txt, jsonl, json, conll, …; their suffix decides if left out.",
            autocompletion=completion.file_format,
        ),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(metavar="CHARACTER", help="Character between two fields of a text file; guessed if left out."),
    ] = None,
    quotes: Annotated[
        bool | None, typer.Option("--quotes/--no-quotes", help="Whether fields may be in double quotes.")
    ] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Whether the first row names the columns.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoding of a text file, such as latin-1.")
    ] = None,
    decimal: Annotated[str | None, typer.Option(metavar="SIGN", help="Decimal sign of numbers: . or ,")] = None,
    description: Annotated[
        str | None, typer.Option(metavar="LINE", help="Description of the task, in one line.")
    ] = None,
    tasks: Annotated[
        Path | None,
        typer.Option("--tasks", metavar="DIR", help="Folder to write to.", show_default=FOLDERS),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing task file.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept every guess; ask nothing.")] = False,
) -> None:
    """Write a task file for your own data: classification, multilabel, regression, tags of words, or free answers.

    Kind, columns and the format of a text file are guessed from the data, and shown. In a terminal, the command asks
    where it is not certain. It asks nothing if one of the options that describe the task is given, with --yes, in a
    notebook, or without a terminal.
    """
    from adapter_workbench.experiments.terminal import drafting
    from adapter_workbench.tasks.drafting.draft import draft, require_new, write
    from adapter_workbench.tasks.drafting.found_data import data_at
    from adapter_workbench.tasks.drafting.guess import GivenColumns
    from adapter_workbench.tasks.reading.dialect import DialectSettings
    from adapter_workbench.tasks.reading.formats import known_format

    folder = registry.writable_folder(tasks)
    require_new(name, folder, force=force)
    given = GivenColumns(kind, text, pair, tuple(label or ()), answer, separator)
    dialect = {"delimiter": delimiter, "quotes": quotes, "header": header, "encoding": encoding, "decimal": decimal}
    overrides = Document(dialect, "command line").parse(DialectSettings)
    file_format = known_format(format, "--format") if format else None
    data = data_at(origin, folder, overrides, format=file_format, option="--format NAME")
    talking = given == GivenColumns() and description is None and not yes and drafting.somebody_there()
    if talking:
        given, description = drafting.converse(name, data)
    made = draft(name, data, given, description)
    if talking and not drafting.is_confirmed(made, data):
        stdout.print("Nothing was written.")
        raise typer.Exit
    path = write(made, folder, force=force)
    if talking:
        stdout.print(f"\nWrote {path}")
    else:
        stdout.print(f"Wrote {path}:\n\n{made.text}")
        drafting.show_findings(made, data)
    _next_steps(name, made.columns.kind, folder, options(tasks=[tasks] if tasks else None))


app.command()(_versions.update)
app.command()(_versions.history)
app.command()(_versions.diff)


def _next_steps(name: str, kind: str, folder: Path, option_text: str) -> None:
    """Load the new task, so that whatever is wrong with its data is said now, and print what comes next."""
    from adapter_workbench.tasks.rows.cutting import small_splits_sentence

    try:
        task = registry.load(registry.find(name, [folder]))
    except DataError as error:
        stdout.print(f"\nNot ready to be trained: {error}")
        print_next([f"workbench tasks check {name}{option_text}   (when that is mended)"])
        return
    if small := small_splits_sentence({split: len(rows) for split, rows in task.splits.items()}):
        stdout.print(f"\nToo small: {small}")
    print_next([f"workbench tasks check {name}{option_text}", training(name, kind, option_text)])


def _warn_of_code(spec: TaskSpec) -> None:
    if spec.source == "python":
        warning = f"{spec.name} is code: {spec.origin.removeprefix('python ')} runs whenever the task is loaded."
        stderr.print(f"{warning} Load it only if you trust whoever wrote it.")


def _facts(spec: TaskSpec) -> dict[str, Any]:
    unused: dict[str, Any] = {"name": True}
    if spec.file.columns.answer:
        unused |= {"columns": {"label"}, "other_labels": True}
    file = spec.file.model_dump(mode="json", exclude=unused, exclude_none=True)
    if "other_labels" in file:
        file["other_labels"] = spec.file.unlisted
    if spec.file.unique_texts:
        file["on_duplicate"] = "drop"
    source = spec.source_settings.model_dump(mode="json", exclude_none=True)
    return {"name": spec.name, **file, spec.source: source, "path": spec.document.origin}


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) or "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
