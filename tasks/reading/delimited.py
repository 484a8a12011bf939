"""Delimited text: the fields of a file, unchanged, row by row or as a frame; nothing is dropped silently."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.tasks.reading import dialect as dialects
from adapter_workbench.tasks.reading.dialect import Dialect
from adapter_workbench.tasks.reading.table_size import require_bounded
from adapter_workbench.tasks.reading.text_files import Lines, opened_text
from adapter_workbench.workbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 50_000  # rows that stand in memory as Python strings at once
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?", re.ASCII)


@dataclass
class Table:
    """A file that is being read."""

    # of the columns; ``column_1``, ``column_2``, … where the file has no header or leaves a name out
    names: tuple[str, ...]
    rows: Iterator[list[str]]  # the fields of each row, as many as there are names; can be gone through once
    lines: Lines  # those of the file, complete once the rows are read


@contextmanager
def open_table(path: Path, dialect: Dialect, skipped: int = 0) -> Iterator[Table]:
    """Open the table in ``path``; ``skipped`` rows after the header are not data.

    Raises:
        InputError: no such file.
        DataError: no rows at all, several columns of one name, or, inside the block, a row with more or fewer fields,
            a quote that is never closed, or bytes that are not text; with the line.
    """
    with opened_text(path, dialect.encoding) as text:
        lines = Lines(text, str(path))
        rows = _rows(lines, dialect)
        first = next(rows, None)
        if first is None:
            raise DataError("cannot be read: the file is empty", where=str(path))
        names = column_names(first if dialect.header else [""] * len(first), f"{path}, line 1")
        if not dialect.header:
            rows = _with_first(first, rows)
        yield Table(names, islice(_fitting(rows, names, lines), skipped, None), lines)


def frame_of(path: Path, dialect: Dialect, skipped: int = 0) -> pd.DataFrame:
    """Return the table in ``path`` as strings: the text "NA" and the label "01" are what they are.

    ``attrs["lines"]`` is how many lines of the file hold rows, ``attrs["decimal"]`` is how its numbers are written.
    Raises as :func:`open_table`.
    """
    import pandas as pd

    with open_table(path, dialect, skipped) as table:
        blocks = []
        while rows := list(islice(table.rows, BLOCK)):
            blocks.append(_block(table.names, rows))
    frame = pd.concat(blocks or [_block(table.names, [])], ignore_index=True)
    frame.attrs |= {"lines": table.lines.filled - dialect.header - skipped, "decimal": dialect.decimal}
    return frame


def column_names(header: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the names of columns; one without a name is called after its position.

    Raises:
        DataError: several columns have the same name, or there are too many.
    """
    require_bounded(len(header), 1, where)
    names = [name if name.strip() else f"column_{position}" for position, name in enumerate(header, start=1)]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        message = f"several columns are called {', '.join(map(repr, twice[:5]))}"
        raise DataError(message, where=where, hint="Rename them. If the file has no header, set header: false.")
    return tuple(names)


def literal(text: str) -> str:
    """Return a text with an apostrophe before what a spreadsheet would take for a formula; numbers stay numbers.

    What counts as the beginning of a formula: OWASP, CSV Injection.
    """
    return f"'{text}" if text.startswith(FORMULAS) and not NUMBER.fullmatch(text) else text


def _rows(lines: Lines, dialect: Dialect) -> Iterator[list[str]]:
    last: list[str] = []
    try:
        for row in dialects.fields(lines, dialect.delimiter, dialect.quotes):
            last = lines.row_ends()
            if row:
                yield row
    except csv.Error as error:
        raise DataError(f"cannot be read: {error}", where=lines.where) from None
    if dialect.quotes:
        _require_closed(last, dialect, lines)


def _require_closed(last: list[str], dialect: Dialect, lines: Lines) -> None:
    """Raise DataError where the file ends inside quotes: everything after them was taken for one field."""
    try:
        list(csv.reader(last, delimiter=dialect.delimiter, strict=True))
    except csv.Error as error:
        if "end of data" in str(error):
            where = f"{lines.file}, line {lines.number - len(last) + 1}"
            hint = "If quotes are part of the texts, set quotes: false; else close the quote."
            raise DataError("a quote opens here and is never closed", where=where, hint=hint) from None


def _with_first(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _fitting(rows: Iterator[list[str]], names: Sequence[str], lines: Lines) -> Iterator[list[str]]:
    """Yield rows that have a field for each column; lines of white space are skipped."""
    for fields in rows:
        if len(fields) == len(names):
            yield fields
        elif len(fields) > 1 or fields[0].strip():
            many = f"{len(fields)} fields" if len(fields) > 1 else "1 field"
            hint = (
                "Put quotes around a field that holds the delimiter, or name another delimiter; a quote that is part "
                "of a text needs `quotes: false`."
            )
            raise DataError(f"{many}, but there are {len(names)} columns", where=lines.where, hint=hint)


def _block(names: Sequence[str], rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    import pandas as pd

    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    named = zip(names, columns, strict=True)
    return pd.DataFrame({name: pd.Series(list(values), dtype="str") for name, values in named})
