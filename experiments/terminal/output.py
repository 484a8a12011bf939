"""What commands print: tables for people, one JSON document for scripts, errors as one message."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

stdout = Console(soft_wrap=True, highlight=False)
stderr = Console(stderr=True, soft_wrap=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


def emit(document: Any) -> None:
    """Print ``document`` as JSON on stdout; NaN is refused, since JSON has none."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table on stdout: numbers to the right, ``None`` as a dash; where there is room no word is broken."""
    rows = [list(row) for row in rows]
    grid = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    heads = [Text(column.replace("_", " ")) for column in columns]
    body = [[Text("–" if cell is None else str(cell)) for cell in row] for row in rows]  # brackets are a person's own
    for index, width in enumerate(_widths([heads, *body])):
        numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        justify: Literal["right", "left"] = "right" if numeric else "left"
        grid.add_column(heads[index], justify=justify, overflow="fold", no_wrap=index == 0, width=width)
    for cells in body:
        grid.add_row(*cells)
    stdout.print(grid)


def _widths(lines: Sequence[Sequence[Text]]) -> list[int | None]:
    """Return each column's width: its longest word and its share of what is left; rich alone would break the words.

    None, rich's own choice, where every line fits, or where not even the words do.
    """
    sizes = [[cell.__rich_measure__(stdout, stdout.options) for cell in column] for column in zip(*lines, strict=True)]
    least = [max(size.minimum for size in column) for column in sizes]
    wished = [max(size.maximum for size in column) - low for column, low in zip(sizes, least, strict=True)]
    spare = stdout.width - sum(least) - 2 * (len(least) - 1)
    if spare < 0 or spare >= sum(wished):
        return [None] * len(least)
    return [low + spare * more // sum(wished) for low, more in zip(least, wished, strict=True)]


def listing(entries: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Print a list of objects that have ``name`` (or ``id``) and ``description``."""
    if as_json:
        emit(list(entries))
    else:
        table([*entries[0]] if entries else ["name", "description"], [list(entry.values()) for entry in entries])


def farewell(folder: Path, name: str, where: str) -> None:
    """Print where an experiment's report is, and how to see it again; ``where`` is the option naming the workspace."""
    page = folder / "report.html"
    shown = page.relative_to(Path.cwd()) if page.is_relative_to(Path.cwd()) else page
    stdout.print(f"\nReport: {shown}")
    stdout.print(f"MLflow: workbench ui{where}   then open experiment {name!r}")
    stdout.print(f"Again:  workbench report {name}{where}")
