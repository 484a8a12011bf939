"""File formats: a path in, a frame of raw columns out; nothing is guessed about the values."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import DataError, InputError

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["csv", "tsv", "jsonl", "parquet", "folders", "orange-tab"]

BLOCK = 1 << 26  # bytes; no row of a csv file may be longer

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".tab": "orange-tab",
}


def format_of(path: Path) -> Format:
    """Return the format that a path's suffix stands for; a folder is ``folders``.

    Raises:
        InputError: an unknown suffix.
    """
    if path.is_dir():
        return "folders"
    if (suffix := path.suffix.lower()) in SUFFIXES:
        return SUFFIXES[suffix]
    known = ", ".join(SUFFIXES)
    raise InputError(f"cannot tell the format of {path.name}", hint=f"Name it (format: …), or use one of {known}.")


def read(path: Path, format: Format | None = None) -> pd.DataFrame:  # noqa: A002 - the key's name in a task file
    """Return the rows of ``path``, one column each; csv, tsv and orange-tab give strings only.

    Args:
        path: the file, or for ``folders`` the folder of ``<label>/<name>.txt``.
        format: how to read it; told by the suffix if None.

    Raises:
        InputError: no such file, or an unknown format.
        DataError: the file is not what its format says, with the line where that is known.
    """
    if not path.exists():
        raise InputError("no such file", where=str(path))
    reader = _READERS[format or format_of(path)]
    try:
        return reader(path)
    except (ValueError, OSError) as error:  # those of pandas, pyarrow and the decoder are all one of the two
        hint = "Save the file as UTF-8." if "utf" in str(error).lower() else None
        raise DataError(f"cannot be read: {error}", where=str(path), hint=hint) from None


def _delimited(path: Path, delimiter: str, lines_after_header: int = 0) -> pd.DataFrame:
    """Read fields as strings, quoted as csv quotes them: the text "NA" and the label "01" are what they are."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    with path.open(encoding="utf-8-sig", newline="") as stream:
        names = next(csv.reader(stream, delimiter=delimiter), [])
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"several columns are called {', '.join(map(repr, twice))}", where=f"{path}, line 1")
    table = arrow_csv.read_csv(
        path,
        arrow_csv.ReadOptions(block_size=BLOCK, skip_rows_after_names=lines_after_header),
        arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _csv(path: Path) -> pd.DataFrame:
    return _delimited(path, ",")


def _tsv(path: Path) -> pd.DataFrame:
    return _delimited(path, "\t")


def _orange_tab(path: Path) -> pd.DataFrame:
    """Read Orange's table: names, types and roles in three lines, then tab-separated rows."""
    return _delimited(path, "\t", lines_after_header=2)


def _jsonl(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([*json_rows(path)])


def json_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the object on each line of a JSONL file, blank lines left out.

    Raises:
        DataError: a line is not a JSON object.
    """
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"not JSON: {error.msg}", where=f"{path}, line {number}") from None
            if not isinstance(row, dict):
                raise DataError("expected one JSON object on each line", where=f"{path}, line {number}")
            yield row


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def _folders(path: Path) -> pd.DataFrame:
    """Read ``<label>/<name>.txt`` into ``file``, ``label`` and ``text``; bytes that are not UTF-8 become U+FFFD."""
    import pandas as pd

    files = sorted(path.glob("*/*.txt"))
    return pd.DataFrame(
        {
            "file": [file.relative_to(path).as_posix() for file in files],
            "label": [file.parent.name for file in files],
            "text": [file.read_text(encoding="utf-8", errors="replace") for file in files],
        }
    )


_READERS: dict[Format, Callable[[Path], pd.DataFrame]] = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "folders": _folders,
    "orange-tab": _orange_tab,
}
