"""How large a table may be: work grows with its cells, and a small file can claim any number of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from adapter_workbench.workbench.errors import DataError

MOST_COLUMNS = 5_000
MOST_CELLS = 1 << 28  # rows × columns: 2 GB of references alone
LOOKED_AT = 5_000_000  # cells of a sheet that may be empty: a few seconds of reading
EMPTY = 100  # empty cells for each that is filled, at most, beyond those
FAR = "Remove columns and rows without texts or labels; in a workbook, Ctrl+End goes to the last filled cell."

Cell = TypeVar("Cell")


def require_bounded(columns: int, rows: int, where: str) -> None:
    """Raise DataError for a table with more than 5,000 columns, or more cells than fit in memory."""
    if columns > MOST_COLUMNS:
        hint = f"At most {MOST_COLUMNS:,} are read. {FAR}"
        raise DataError(f"there are {columns:,} columns", where=where, hint=hint)
    if columns * rows > MOST_CELLS:
        hint = f"At most {MOST_CELLS:,} cells are read: leave out columns, or take some of the rows."
        raise DataError(f"there are {rows:,} rows of {columns:,} columns", where=where, hint=hint)


def filled_enough(rows: Iterable[Sequence[Cell | None]], where: str) -> Iterator[tuple[int, Sequence[Cell | None]]]:
    """Yield the rows of a sheet with their numbers, from 1, as long as not nearly all cells were empty.

    A cell far from the others makes all rows and columns up to it part of the sheet.

    Raises:
        DataError: more than 5 million cells were looked at, and fewer than one in a hundred had something in it.
    """
    seen = filled = 0
    for number, row in enumerate(rows, start=1):
        seen += max(1, len(row))
        filled += len(row) - row.count(None)
        if seen > LOOKED_AT + EMPTY * filled:
            raise DataError(
                f"only {filled:,} of its first {seen:,} cells are filled",
                where=f"{where}, row {number:,} of the first sheet",
                hint=FAR,
            )
        yield number, row
