"""The tables of a report with the columns that a person names, in the order in which she names them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.reporting.presentation import Grid, Medium, Table
from workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from experiments.reporting.presentation import Column, Presentation

OPTION = "--columns"


def with_columns(presentation: Presentation, names: Sequence[str]) -> Presentation:
    """Return the report as those of its tables that have one of these columns; each keeps its first, of the rows.

    A column is named by its head as it stands in a table, with a hyphen or an underscore for whatever is no letter:
    ``average-accuracy``; or by the shorter head that a terminal shows. One that a terminal has no room for is shown
    where it is named.

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
        if not any(_slug(name) in _names(column) for column in columns):
            raise UnknownNameError("column", name, heads, OPTION)
    wanted = [*map(_slug, names)]
    chosen = [kept for table in tables if (kept := _chosen(table, wanted))]
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


def _chosen(table: Table, wanted: Sequence[str]) -> Table | None:
    """Return a table with its first column and the wanted ones; None where it has none of them."""
    indices = [
        index for name in wanted for index, column in enumerate(table.columns) if index and name in _names(column)
    ]
    if not indices:
        return None
    kept = table.with_columns([0, *dict.fromkeys(indices)])
    columns = [replace(column, short="", media=Medium.ANY) for column in kept.columns]
    return replace(kept, columns=columns, media=Medium.ANY, folded=False)


def _names(column: Column) -> set[str]:
    return {_slug(column.head), _slug(column.short)} - {""}


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")
