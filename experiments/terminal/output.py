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
from typing import Annotated, Any

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
    cells = [["–" if cell is None else str(cell) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(isinstance(row[place], int | float | None) for row in rows) for place in range(len(columns))
    ]
    if title:
        stdout.print(title, style="bold")
    stdout.print(grid(columns, cells, [not one for one in numeric], stdout))


def grid(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Sequence[bool],
    console: Console,
    head_style: str = "bold",
) -> Table:
    """Return a table for ``console``, of which no cell to the right is broken where there is room.

    Args:
        columns: the heads; there is no line for them where all are empty.
        rows: the cells.
        left: for each column whether its cells stand to the left.
        console: how wide it is decides where lines break.
        head_style: how the heads look.
    """
    built = Table(box=None, pad_edge=False, header_style=head_style, show_header=any(columns))
    heads = [Text(shown(column)) for column in columns]
    body = [[Text(shown(cell)) for cell in row] for row in rows]
    for head, here, width in zip(heads, left, _widths(heads, body, left, console), strict=True):
        built.add_column(head, justify="left" if here else "right", overflow="fold", width=width)
    for cells in body:
        built.add_row(*cells)
    return built


def _widths(
    heads: Sequence[Text], rows: Sequence[Sequence[Text]], left: Sequence[bool], console: Console
) -> list[int | None]:
    """Return each column's width: its longest word and its share of what is left; rich alone would break the words.

    The first column, of names, stays on one line where half the screen is enough for it, and so do numbers. None,
    rich's own choice, where every line fits, or where not even the words do.
    """
    lines = [*zip(heads, *rows, strict=True)]
    sizes = [[cell.__rich_measure__(console, console.options) for cell in column] for column in lines]
    longest = [max(size.maximum for size in column) for column in sizes]
    least = [max(size.minimum for size in column) for column in sizes]
    for place, (head, *cells) in enumerate(sizes):
        if not left[place]:
            least[place] = max([head.minimum, *(size.maximum for size in cells)])
    if longest[0] <= console.width // 2:
        least[0] = longest[0]
    wished = [most - low for most, low in zip(longest, least, strict=True)]
    spare = console.width - sum(least) - 2 * (len(least) - 1)
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
