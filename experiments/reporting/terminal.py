"""A report on a terminal: what has room in 80 columns, in colour where there is some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Group
from rich.text import Text

from adapter_workbench.experiments.reporting.cells import one_line
from adapter_workbench.experiments.reporting.grid import grid
from adapter_workbench.experiments.reporting.presentation import Grid, Medium, Paragraph, Sentences, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType

    from adapter_workbench.experiments.reporting.presentation import Block, Presentation

# cividis at seven places, dark to light, so that a terminal need not import matplotlib
RAMP = ("#00224e", "#2a3f6d", "#575d6d", "#7d7c78", "#a59c74", "#d2c060", "#fee838")
DARK = 3  # how many of these want white text
WIDEST = 100  # columns of a paragraph, however wide the screen is
STYLES = {"quiet": "dim", "warning": "yellow", "": ""}


def show(presentation: Presentation, console: Console, page: str = "") -> None:
    """Print a report on ``console``; ``page`` is where its page with the pictures lies, if it has been written."""
    width = min(console.width, WIDEST)
    facts = Text.assemble((presentation.experiment, "bold"), f"  {', '.join(presentation.facts)}")
    style = "bold" if presentation.evidence else ""
    first = [facts, Text(), Text(presentation.verdict, style)]
    first += [Text(), _list(presentation.listed, style)] if presentation.listed else []
    first += [Text(), *(Text(line, "dim") for line in presentation.evidence)] if presentation.evidence else []
    first += [Text(), Text(f"Pictures and all numbers: {page}")] if page else []
    for part in (*first, *_drawn(presentation.shown(Medium.TERMINAL), console)):
        # the console of the commands does not wrap, and a paragraph wants to be
        console.print(part, soft_wrap=False, width=width if isinstance(part, Text) else None)


def _drawn(blocks: Iterable[Block], console: Console) -> Iterable[RenderableType]:
    for block in blocks:
        if not (isinstance(block, Paragraph) and block.style == "quiet"):  # which belongs to what stands before it
            yield Text()
        match block:
            case Table():
                yield Text(block.short or block.title, "bold")
                yield _table(block, console)
            case Grid():
                yield from _grid(block)
            case Paragraph():
                yield Text(block.text, STYLES[block.style])
            case Sentences():
                yield _list(block.items)


def _list(items: Iterable[str], style: str = "") -> Text:
    return Text("\n".join(f"- {item}" for item in items), style)


def _table(table: Table, console: Console) -> RenderableType:
    heads = [column.short or column.head for column in table.columns]
    rows = [[one_line(cell) for cell in row] for row in table.rows]
    left = [index == 0 or column.left for index, column in enumerate(table.columns)]
    return grid(heads, rows, left, console, head_style="dim")


def _grid(block: Grid) -> Iterable[RenderableType]:
    yield Text(block.title, "bold")
    yield Columns([Text(name, "dim") for name in block.names], padding=(0, 2))
    yield Columns([Group("", Text(table.short), _heat_map(table)) for table in block.tables], padding=(0, 3))


def _heat_map(table: Table) -> Text:
    text = Text(no_wrap=True)
    text.append("   " + "".join(f"{column.short or column.head:>6} " for column in table.columns[1:]), "dim")
    for stage, *cells in table.rows:
        text.append(f"\n{stage.text:>2} ", "dim")
        for cell in cells:
            text.append(f" {cell.text:>5} ", _heat(cell.heat))
    return text


def _heat(share: float | None) -> str:
    if share is None:
        return "dim"
    index = min(int(share * len(RAMP)), len(RAMP) - 1)
    return f"{'#ffffff' if index < DARK else '#000000'} on {RAMP[index]}"
