"""Tables that are filled row by row: a column stands with what gives its cell, so that no cell is matched by place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

R = TypeVar("R", contravariant=True)
T = TypeVar("T")


@dataclass(frozen=True)
class Shown(Generic[R]):
    """A column, and the cell that a row has in it."""

    column: Column
    cell: Callable[[R], Cell]


def table(
    name: str,
    title: str,
    rows: Iterable[T],
    columns: Iterable[Shown[T]],
    note: str = "",
    short: str = "",
    media: Medium = Medium.ANY,
    folded: bool = False,
) -> Table:
    """Return a table with a row for each of ``rows``; the other arguments are those of :class:`Table`."""
    filled = tuple(columns)
    cells = [[shown.cell(row) for shown in filled] for row in rows]
    return Table(name, title, [shown.column for shown in filled], cells, note, short, media, folded)
