"""The tables of a report with the columns that a person names, in the order in which she names them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.presentation import Grid, Medium, Table
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.reporting.presentation import Column, Presentation

OPTION = "--columns"


def with_columns(presentation: Presentation, names: Sequence[str]) -> Presentation:
    """Return the report as those of its tables that have one of these columns; each keeps its first, of the rows.

    A column is named by its head in a table, with a hyphen or an underscore for everything but letters and digits
    (``average-accuracy``), or by the shorter head that a terminal shows. A column that a terminal has no room for is
    shown where it is named.

    Raises:
        UnknownNameError: no table has such a column.
        InputError: no name, or only names of first columns.
    """
    if not names:
        raise InputError("no column is named", where=OPTION, hint="Name some, with commas: score,stored")
    tables = [*_tables(presentation)]
    columns = [column for table in tables for column in table.columns]
    heads = [head for head in dict.fromkeys(_slug(column.head) for column in columns) if head]
    for name in names:
        if not any(_slug(name) in _slugs(column) for column in columns):
            raise UnknownNameError("column", name, heads, OPTION)
    slugs = [*map(_slug, names)]
    chosen = [shown for table in tables if (shown := _with_chosen(table, slugs))]
    if not chosen:
        message = f"this is the first column, which every table keeps: {', '.join(names)}"
        raise InputError(message, where=OPTION, hint=f"Name another one too: {', '.join(heads)}")
    return replace(presentation, written=lambda: chosen)


def _tables(presentation: Presentation) -> Iterator[Table]:
    """Yield every table; those of a grid with their titles, since each will stand by itself."""
    for block in presentation.blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Grid):
            yield from (replace(table, short="") for table in block.tables)


def _with_chosen(table: Table, slugs: Sequence[str]) -> Table | None:
    """Return a table with its first column and those that ``slugs`` name; None where it has none of them."""
    indices = [
        index for name in slugs for index, column in enumerate(table.columns) if index and name in _slugs(column)
    ]
    if not indices:
        return None
    shown = table.with_columns([0, *dict.fromkeys(indices)])
    columns = [replace(column, short="", media=Medium.ANY) for column in shown.columns]
    return replace(shown, columns=columns, media=Medium.ANY, folded=False)


def _slugs(column: Column) -> set[str]:
    return {_slug(column.head), _slug(column.short)} - {""}


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")
