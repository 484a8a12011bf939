"""Ask an adapter, or a router over several, for the labels of texts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.terminal.options import Assignments, Folders, Workspace
from experiments.terminal.output import Json, emit, table
from tasks import formats
from workbench.errors import InputError

app = typer.Typer()


@app.command()
def predict(
    adapter: Annotated[
        str, typer.Argument(metavar="ID", help="An adapter's id, or the beginning of it; or router:NAME.")
    ],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts, each in quotes.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="One text a line; or CSV, TSV, JSONL, Parquet with --column.")
    ] = None,
    column: Annotated[str, typer.Option(help="Column of the file that holds the text.")] = "text",
    pair: Annotated[str | None, typer.Option(help="Second text, or the file's column of it, for pair tasks.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Where its backbone is now, if it was trained by path.")] = None,
    among: Annotated[
        str | None, typer.Option(metavar="ID,ID…", help="Adapters that a router chooses from, with commas.")
    ] = None,
    assignments: Assignments = None,
    workspace: Workspace = None,
    tasks: Folders = None,
    as_json: Json = False,
) -> None:
    """Print the answer to each text, and how sure the adapter is. With no text, lines are read from stdin.

    router:NAME chooses for each text which adapter answers (`workbench routers list`): among those of --among, else
    the newest adapter of each task on the backbone; tasks whose texts are not like these (pairs or single), and
    libraries that the router does not know, are left out. --set changes the router's settings; a router that reads
    training data takes them from the tasks that can be seen from here.
    """
    from experiments.api import Workbench
    from experiments.terminal.progress import progress

    router = adapter.removeprefix("router:") if adapter.startswith("router:") else None
    if router is None and (among or assignments or tasks):
        raise InputError("--among, --set and --tasks are for routers", hint="Give router:NAME in place of the id.")
    if file:
        items = _read(file, column, pair)
    elif texts:
        items = [(text, pair) if pair else text for text in texts]
    elif sys.stdin.isatty():
        raise InputError("there is nothing to predict", hint="Give texts in quotes, --file, or pipe lines in.")
    else:
        items = [line.rstrip("\n") for line in sys.stdin if line.strip()]
    if router is None:
        found = Workbench(workspace).predict(adapter, items, backbone)
        rows = [(one.label, _sure(one.confidence), _short(one.text)) for one in found]
        _print(found, ["label", "confidence", "text"], rows, as_json)
        return
    bench, ids = Workbench(workspace, tasks), among.split(",") if among else []
    with progress(f"router {router}") as bench.listener:
        routed = bench.route(router, items, ids, backbone, assignments or [])
    columns = ["label", "confidence", "adapter", "routing score", "text"]
    _print(
        routed,
        columns,
        [
            (one.label, _sure(one.confidence), one.adapter, f"{one.routing_score:.4g}", _short(one.text))
            for one in routed
        ],
        as_json,
    )


def _print(found: Sequence[Any], columns: Sequence[str], rows: Sequence[Sequence[str]], as_json: bool) -> None:
    if as_json:
        emit([asdict(one) for one in found])
    else:
        table(columns, rows)


def _read(path: Path, column: str, pair: str | None) -> list[str | tuple[str, str]]:
    if path.suffix.lower() not in formats.SUFFIXES:
        try:
            return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read this file: {error}", where=str(path)) from None
    frame = formats.read(path)
    for name in filter(None, (column, pair)):
        if name not in frame.columns:
            hint = f"Columns: {', '.join(map(str, frame.columns))}. Name one with --column."
            raise InputError(f"there is no column {name!r}", where=str(path), hint=hint)
    first = frame[column].astype(str)
    return list(zip(first, frame[pair].astype(str), strict=True)) if pair else list(first)


def _sure(confidence: float | None) -> str:
    return "–" if confidence is None else f"{confidence:.3f}"


def _short(text: str, width: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
