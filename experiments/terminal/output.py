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
    """Print a table on stdout; numbers stand to the right, ``None`` is a dash, the first column is never broken."""
    rows = [list(row) for row in rows]
    grid = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        justify: Literal["right", "left"] = "right" if numeric else "left"
        grid.add_column(Text(column), justify=justify, overflow="fold", no_wrap=index == 0)
    for row in rows:
        grid.add_row(*(Text("–" if cell is None else str(cell)) for cell in row))  # brackets are a person's own
    stdout.print(grid)


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
