"""Ask an adapter for the labels of texts."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from experiments.terminal.options import Workspace
from experiments.terminal.output import Json, emit, table
from tasks import formats
from workbench.errors import InputError

app = typer.Typer()


@app.command()
def predict(
    adapter: Annotated[str, typer.Argument(metavar="ID", help="An adapter's id, or the beginning of it.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts, each in quotes.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="One text a line; or CSV, TSV, JSONL, Parquet with --column.")
    ] = None,
    column: Annotated[str, typer.Option(help="Column of the file that holds the text.")] = "text",
    pair: Annotated[str | None, typer.Option(help="Second text, or the file's column of it, for pair tasks.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Where its backbone is now, if it was trained by path.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Print the label of each text, and how sure the adapter is. With no text, lines are read from stdin."""
    from experiments.api import Workbench

    if file:
        items = _read(file, column, pair)
    elif texts:
        items = [(text, pair) if pair else text for text in texts]
    elif sys.stdin.isatty():
        raise InputError("there is nothing to predict", hint="Give texts in quotes, --file, or pipe lines in.")
    else:
        items = [line.rstrip("\n") for line in sys.stdin if line.strip()]
    found = Workbench(workspace).predict(adapter, items, backbone)
    if as_json:
        emit([asdict(one) for one in found])
    else:
        rows = [(one.label, f"{one.confidence:.3f}", _short(one.text)) for one in found]
        table(["label", "confidence", "text"], rows)


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


def _short(text: str, width: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
