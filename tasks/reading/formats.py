"""File formats: a path in, a frame of raw columns out; nothing is guessed about the values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from adapter_workbench.tasks.reading import conll, delimited, json_documents, label_folders, labelled_lines, sheets
from adapter_workbench.tasks.reading.dialect import KEYS, USUAL, Dialect, DialectSettings
from adapter_workbench.tasks.reading.raw_values import restore_whole_numbers
from adapter_workbench.tasks.reading.table_size import require_bounded
from adapter_workbench.tasks.reading.text_files import (
    UNPACKED,
    Lines,
    is_packed,
    opened_text,
    require_readable,
    suffix_of,
)
from adapter_workbench.workbench.errors import DataError, InputError, opening, suggest

if TYPE_CHECKING:
    import pandas as pd

Format = Literal[
    "csv",
    "tsv",
    "txt",
    "jsonl",
    "json",
    "natural-instructions",
    "parquet",
    "xlsx",
    "folders",
    "orange-tab",
    "labelled-lines",
    "conll",
]

FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".tab": "orange-tab",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".bioes": "conll",
}
IN_TASK_FILE = "format: …"
READABLE = f"{', '.join(SUFFIXES)}, and {' or '.join(UNPACKED)} of those that are text"
PACKED_ALREADY = (".parquet", ".xlsx")
DOCUMENTS = ("json", json_documents.NATURAL)
FITTING = {
    **dict.fromkeys(USUAL, KEYS),
    **dict.fromkeys(("jsonl", *DOCUMENTS, "labelled-lines", "folders", "conll"), ("encoding",)),
    "xlsx": ("header",),
}
TYPE_LINES = 2  # of Orange's tables, after the names: types and roles


def is_known(path: Path) -> bool:
    """Return whether the format can be seen from a file's name."""
    suffix = suffix_of(path)
    return suffix in SUFFIXES and not (is_packed(path) and suffix in PACKED_ALREADY)


def format_of(path: Path, option: str | None = None) -> Format:
    """Return the format that a path's suffix stands for; a folder is ``folders``.

    Args:
        path: a file or a folder.
        option: what names a format to whoever has given the path; None where nothing does.

    Raises:
        InputError: an unknown suffix.
    """
    if path.is_dir():
        return "folders"
    if is_known(path):
        return SUFFIXES[suffix_of(path)]
    named = f"Name it ({option}), or use" if option else "Rename it: use"
    raise InputError(f"cannot tell the format of {path.name}", hint=f"{named} one of {READABLE}.")


def known_format(name: str, where: str) -> Format:
    """Return the format that a person named; raises InputError where there is none of that name."""
    for known in FORMATS:
        if name == known:
            return known
    raise InputError(f"there is no format {name!r}", where=where, hint=suggest(name, FORMATS))


def read(path: Path, format: Format | None = None, overrides: DialectSettings | None = None) -> pd.DataFrame:  # noqa: A002
    """Return the rows of ``path``, one column each; text formats and xlsx give strings only.

    A frame from delimited text has ``attrs["lines"]``: how many lines of the file hold rows.

    Args:
        path: the file, or for ``folders`` the folder of ``<label>/<name>``.
        format: how to read it; the suffix decides if None.
        overrides: what a task file says of its dialect.

    Raises:
        InputError: no such file, an unknown format, or a key that is not for this format.
        DataError: the file is not what its format says, with the line where that is known.
    """
    require_readable(path, folder=True)
    format, overrides = format or format_of(path, IN_TASK_FILE), overrides or DialectSettings()  # noqa: A001
    if foreign := [key for key in overrides.set_values() if key not in FITTING.get(format, ())]:
        raise InputError(f"{' and '.join(foreign)} have no meaning for {format}: leave them out", where=str(path))
    require_readable(path, folder=format == "folders")
    frame = _read(path, format, overrides)
    require_rows(len(frame), path)
    frame.columns = frame.columns.map(str)
    if twice := list(dict.fromkeys(frame.columns[frame.columns.duplicated()])):
        raise DataError(f"several columns are called {', '.join(map(repr, twice[:5]))}", where=str(path))
    return frame


def require_rows(count: int, path: Path) -> None:
    """Raise DataError where a file has no rows: it is empty, or the names of its columns are all there is."""
    if not count:
        hint = "The names of the columns alone are not enough: give a file with rows."
        raise DataError("cannot be read: it has no rows", where=str(path), hint=hint)


def rows(path: Path, format: Format, dialect: Dialect) -> Iterator[dict[str, Any]]:  # noqa: A002
    """Yield the rows of a file one after another, so that it need not fit in memory; raises as :func:`read`.

    Args:
        path: a file.
        format: one that :func:`format_of` gives for a file.
        dialect: how it is written.
    """
    if format in USUAL:
        with delimited.open_table(path, dialect, TYPE_LINES if format == "orange-tab" else 0) as table:
            yield from (dict(zip(table.names, row, strict=True)) for row in table.rows)
    elif format == "xlsx":
        with sheets.open_sheet(path, dialect.header) as (names, cells):
            yield from (dict(zip(names, row, strict=True)) for row in cells)
    elif format == "parquet":
        yield from _parquet_rows(path)
    elif format == "conll":
        yield from conll.rows(path, dialect.encoding)
    else:
        yield from json_rows(path, dialect.encoding)


def lines_of(table: Any) -> int | None:
    """Return how many lines of its file hold the rows of a table that was read here; None where there are no lines."""
    lines: int | None = getattr(table, "attrs", {}).get("lines")
    return lines


def _read(path: Path, format: Format, overrides: DialectSettings) -> pd.DataFrame:  # noqa: A002
    if format in USUAL:
        return delimited.frame_of(path, overrides.dialect(format), TYPE_LINES if format == "orange-tab" else 0)
    if format == "labelled-lines":
        return labelled_lines.frame_of(path, overrides.encoding or "utf-8")
    if format == "conll":
        return conll.frame_of(path, overrides.encoding or "utf-8")
    if format == "jsonl":
        return _jsonl(path, overrides.encoding or "utf-8")
    if format in DOCUMENTS:
        return _document(path, format, overrides.encoding or "utf-8")
    if format == "xlsx":
        return sheets.frame_of(path, overrides.header is not False)
    return _parquet(path) if format == "parquet" else label_folders.frame_of(path, overrides.encoding or "utf-8")


def _jsonl(path: Path, encoding: str) -> pd.DataFrame:
    rows = [*json_rows(path, encoding)]
    if not rows:
        raise DataError("cannot be read: the file is empty", where=str(path))
    return _frame(rows, path)


def json_rows(path: Path, encoding: str = "utf-8") -> Iterator[dict[str, Any]]:
    """Yield the object on each line of a JSONL file, blank lines left out.

    Raises:
        DataError: a line is not a JSON object, is nested too deeply, or holds half of a character (a lone surrogate).
    """
    with opened_text(path, encoding) as text:
        lines = Lines(text, str(path))
        for line in lines:
            lines.row_ends()
            if not line.strip():
                continue
            row = json_documents.parse_json(line.strip(), lines.where)
            if not isinstance(row, dict):
                raise DataError("expected one JSON object on each line", where=lines.where)
            yield row


def _document(path: Path, format: Format, encoding: str) -> pd.DataFrame:  # noqa: A002
    return _frame([*json_documents.rows(path, format, encoding)], path)


def _frame(rows: Sequence[Mapping[str, Any]], path: Path) -> pd.DataFrame:
    import pandas as pd

    require_bounded(len({name for row in rows for name in row}), len(rows), str(path))
    frame = pd.DataFrame(rows)
    for name in frame.select_dtypes("float64").columns:
        frame[name] = restore_whole_numbers(frame[name], partial(map, methodcaller("get", name), rows))
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    def column(name: str) -> list[Any]:
        listed: list[Any] = pq.read_table(path, columns=[name])[name].to_pylist()
        return listed

    with opening("this file", str(path)):
        metadata = pq.read_metadata(path)
        require_bounded(metadata.num_columns, metadata.num_rows, str(path))
        frame = pd.read_parquet(path)
        unnamed = [level for level, name in enumerate(frame.index.names) if name is None]
        frame = frame.reset_index(level=unnamed, drop=True) if unnamed else frame
        frame = frame.reset_index(allow_duplicates=True) if any(frame.index.names) else frame
        whole = [field.name for field in pq.read_schema(path) if pa.types.is_integer(field.type)]
        for name in whole:
            if name in frame and frame.columns.is_unique:
                frame[name] = restore_whole_numbers(frame[name], partial(column, name))
    return frame


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with opening("this file", str(path)), pq.ParquetFile(path) as file:
        batches = file.iter_batches()
        while (batch := next(batches, None)) is not None:
            listed = batch.to_pylist()
            yield from listed
