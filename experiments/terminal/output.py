"""What commands print: tables for people, one JSON document for scripts, errors as one message.

Everything goes through here, whoever wrote it: labels, texts, names of files. On these consoles nothing is markup, and
a character that a terminal would obey is written out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from workbench.printable import printable


class Screen(Console):
    """A console on which text is text: no markup, no emoji codes, and no character that a terminal would obey."""

    def __init__(self, stderr: bool = False) -> None:
        """Print on stdout, or on stderr."""
        super().__init__(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what rich makes of anything, its text :func:`shown`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)


def shown(text: str) -> str:
    """Return ``text`` of any origin as it may stand on a screen; its lines stay lines."""
    return text if text.isprintable() else "\n".join(printable(line, None) for line in text.split("\n"))


stdout = Screen()
stderr = Screen(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


def emit(document: Any) -> None:
    """Print ``document`` as JSON on stdout; NaN is refused, since JSON has none.

    What a terminal would obey is escaped, as JSON itself does with the first 32 characters.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(re.sub(r"[^\n -~]", _escaped, text) + "\n")


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return character if printable(character, None) == character else json.dumps(character)[1:-1]


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table on stdout: numbers to the right, ``None`` as a dash; where there is room no word is broken.

    Columns are called what they are called: some are a person's own, of a file or a task.
    """
    rows = [list(row) for row in rows]
    style: dict[str, Any] = {"header_style": "bold", "box": None, "pad_edge": False, "show_header": any(columns)}
    grid = Table(title=title, title_justify="left", **style)
    heads = [Text(shown(column)) for column in columns]
    body = [[Text("–" if cell is None else shown(str(cell))) for cell in row] for row in rows]
    for index, width in enumerate(_widths([heads, *body])):
        numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        justify: Literal["right", "left"] = "right" if numeric else "left"
        grid.add_column(heads[index], justify=justify, overflow="fold", width=width)
    for cells in body:
        grid.add_row(*cells)
    stdout.print(grid)


def _widths(lines: Sequence[Sequence[Text]]) -> list[int | None]:
    """Return each column's width: its longest word and its share of what is left; rich alone would break the words.

    The first column, of names, stays on one line where half the screen is enough for it. None, rich's own choice, where
    every line fits, or where not even the words do.
    """
    sizes = [[cell.__rich_measure__(stdout, stdout.options) for cell in column] for column in zip(*lines, strict=True)]
    longest = [max(size.maximum for size in column) for column in sizes]
    least = [max(size.minimum for size in column) for column in sizes]
    if longest[0] <= stdout.width // 2:
        least[0] = longest[0]
    wished = [most - low for most, low in zip(longest, least, strict=True)]
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


def from_here(path: Path) -> Path:
    """Return a path without the folder that the person is in, where it lies below that."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def farewell(folder: Path, name: str, where: str) -> None:
    """Print where an experiment's report is, and how to see it again; ``where`` is the option naming the workspace."""
    stdout.print(f"\nReport: {from_here(folder / 'report.html')}")
    stdout.print(f"MLflow: workbench ui{where}   then open experiment {name!r}")
    stdout.print(f"Again:  workbench report {name}{where}")
