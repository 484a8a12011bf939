"""The first sheet of an Excel workbook as strings: values, never formulas or macros."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading.delimited import column_names
from adapter_workbench.tasks.reading.raw_values import raw
from adapter_workbench.tasks.reading.table_size import filled_enough
from adapter_workbench.tasks.reading.text_files import require_readable
from adapter_workbench.workbench.errors import DataError, InputError, opening
from adapter_workbench.workbench.machine.extras import require_installed

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 1 << 31  # unpacked; a workbook of a few kilobytes can claim any size
HINT = "Save it as an Excel workbook (.xlsx), or as csv."


@contextmanager
def open_sheet(path: Path, header: bool = True) -> Iterator[tuple[tuple[str, ...], Iterator[list[str]]]]:
    """Open the first sheet of ``path``: the names of its columns, and its rows as strings; empty rows are left out.

    Raises:
        InputError: no such file, or no workbook.
        DataError: an empty sheet, several columns of one name, or, inside the block, a row that is longer than the
            first, or nearly nothing but empty cells before one that stands far away.
    """
    require_readable(path)
    require_installed("openpyxl", f"{path}, a workbook,")
    with opening("this workbook", str(path), HINT):
        import openpyxl

        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise InputError("it unpacks to more than 2 GB", where=str(path), hint="Save it as csv.")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    try:
        rows = _rows(path, book)
        first = next(rows, None)
        if first is None:
            raise DataError("the first sheet is empty", where=str(path))
        names = column_names(first[1] if header else [""] * len(first[1]), f"{path}, the first row")
        yield names, (_fill_row(*row, names, path) for row in (rows if header else chain([first], rows)))
    finally:
        book.close()


def frame_of(path: Path, header: bool = True) -> pd.DataFrame:
    """Return the first sheet of ``path``, every cell as a string; raises as :func:`open_sheet`."""
    import pandas as pd

    with open_sheet(path, header) as (names, rows):
        return pd.DataFrame(list(rows), columns=list(names), dtype="str")


def _rows(path: Path, book: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with its number in the sheet, without the empty cells at its end."""
    with opening("this workbook", str(path), HINT):
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # else every row, also an empty one, would be as long as the sheet is said to be wide
        for number, values in filled_enough(sheet.iter_rows(values_only=True), str(path)):
            cells = [_text(value) for value in values]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                yield number, cells


def _fill_row(number: int, cells: list[str], names: tuple[str, ...], path: Path) -> list[str]:
    if len(cells) > len(names):
        message = f"a row has {len(cells):,} cells, but there are {len(names):,} columns"
        hint = f"Name every column in the first row, or delete {cells[-1][:60]!r}."
        raise DataError(message, where=f"{path}, row {number:,} of the first sheet", hint=hint)
    return cells + [""] * (len(names) - len(cells))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date | datetime) else raw(value)
