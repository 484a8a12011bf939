"""A table of text for a console: as wide as it has room, and no word broken that need not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from adapter_workbench.workbench.errors.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console


def printable_lines(text: str) -> str:
    """Return ``text`` of any origin as it may stand on a screen; its lines stay lines."""
    return text if text.isprintable() else "\n".join(printable(line, None) for line in text.split("\n"))


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
    heads = [Text(printable_lines(column)) for column in columns]
    body = [[Text(printable_lines(cell)) for cell in row] for row in rows]
    for head, to_the_left, width in zip(heads, left, _widths(heads, body, left, console), strict=True):
        built.add_column(head, justify="left" if to_the_left else "right", overflow="fold", width=width)
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
    for index, (head, *cells) in enumerate(sizes):
        if not left[index]:
            least[index] = max([head.minimum, *(size.maximum for size in cells)])
    if longest[0] <= console.width // 2:
        least[0] = longest[0]
    wished = [most - low for most, low in zip(longest, least, strict=True)]
    spare = console.width - sum(least) - 2 * (len(least) - 1)
    if spare < 0 or spare >= sum(wished):
        return [None] * len(least)
    return [low + spare * more // sum(wished) for low, more in zip(least, wished, strict=True)]
