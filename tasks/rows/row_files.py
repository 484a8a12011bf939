"""Files of rows that need not fit in memory: read in batches, and written row by row."""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading import formats
from adapter_workbench.tasks.reading.delimited import literal
from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.tasks.reading.known_dialect import KnownDialect, dialect_of
from adapter_workbench.tasks.reading.table_size import require_bounded
from adapter_workbench.tasks.reading.text_files import require_readable
from adapter_workbench.tasks.rows.label_sets import is_list
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
Write = Callable[[Iterable[Row]], Any]
DELIMITERS = {".csv": ",", ".tsv": "\t"}
LINES = (".jsonl", ".ndjson")
CRLF = "\r\n"


class Rows(ABC):
    """Rows that can be gone through several times.

    Attributes:
        columns: all there are, in the order in which they turn up.
        count: how many rows.
    """

    columns: tuple[str, ...]
    count: int

    @abstractmethod
    def __iter__(self) -> Iterator[Row]:
        """Yield one row after another."""

    def batches(self, size: int) -> Iterator[list[Row]]:
        """Yield lists of ``size`` rows, the last one shorter."""
        rows = iter(self)
        while batch := list(islice(rows, size)):
            yield batch

    def schema(self) -> pa.Schema:
        """Return the type of each column.

        Raises:
            InputError: a column holds values of types that do not go together.
        """
        import pyarrow as pa

        merged = pa.schema([])
        for batch in self.batches(1000):
            try:
                records = [{name: row.get(name) for name in self.columns} for row in batch]
                schema = pa.Table.from_pylist(records).schema
                merged = pa.unify_schemas([merged, schema], promote_options="permissive")
            except pa.ArrowException as error:
                raise InputError(
                    f"a column holds several types: {error}", hint="Write jsonl: there a column may hold several types."
                ) from None
        return merged


class ListedRows(Rows):
    def __init__(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Keep rows that all have ``columns``."""
        self.columns, self.rows, self.count = tuple(columns), rows, len(rows)

    def __iter__(self) -> Iterator[Row]:
        """Yield one row after another."""
        return iter(self.rows)


class FileRows(Rows):
    """The rows of a text file, a workbook or a parquet file; fields of text files and workbooks are strings."""

    def __init__(self, path: Path, expected: Collection[str] = (), known: KnownDialect | None = None) -> None:
        """Go through ``path`` once, so that everything wrong with it is reported before any work is done.

        Args:
            path: of a format that :mod:`adapter_workbench.tasks.reading.formats` knows by its name.
            expected: columns that are asked for: a first row with one of them is a header.
            known: how the files of the task are written that the rows come to; None where that is not known.

        Raises:
            InputError: no such file, or another kind of file.
            DataError: the file has no rows, or is not what its suffix says, with the line.
        """
        require_readable(path)
        self.path = path
        self.format = known.format if known is not None and known.claims(path) else formats.format_of(path)
        self.dialect = dialect_of(path, self.format, DialectSettings(), expected, known)
        columns: dict[str, None] = {}
        self.count = 0
        for row in self:
            columns.update(dict.fromkeys(row))
            self.count += 1
            require_bounded(len(columns), 1, str(path))
        formats.require_rows(self.count, path)
        self.columns = tuple(columns)

    def __iter__(self) -> Iterator[Row]:
        """Yield one row after another; raises DataError as the constructor does."""
        return formats.rows(self.path, self.format, self.dialect)

    def schema(self) -> pa.Schema:
        """Return the type of each column; a parquet file tells its own."""
        if self.format != "parquet":
            return super().schema()
        import pyarrow.parquet as pq

        return pq.read_schema(self.path)


@contextmanager
def rows_to(
    path: Path, suffix: str, schema: Callable[[], pa.Schema], columns: Sequence[str], for_spreadsheets: bool = False
) -> Iterator[Write]:
    """Open ``path`` for rows in the format of ``suffix``; call what it yields with one batch after another.

    Lists are joined with commas in csv and tsv, and mappings are JSON there. Only parquet asks for the ``schema``.
    ``for_spreadsheets`` lets no text begin in csv and tsv as a formula does.
    """
    suffix = suffix.lower()
    if suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = schema()
        with pq.ParquetWriter(path, types) as parquet:
            yield lambda rows: parquet.write_table(pa.Table.from_pylist(list(rows), schema=types))
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        if suffix in LINES:
            yield lambda rows: stream.writelines(
                f"{json.dumps(row, ensure_ascii=False, default=str)}\n" for row in rows
            )
            return
        # a carriage return inside a text is put in quotes only if lines end in one
        lines = SimpleNamespace(write=lambda line: stream.write(f"{line.removesuffix(CRLF)}\n"))
        table = csv.DictWriter(lines, columns, delimiter=DELIMITERS[suffix], lineterminator=CRLF)
        field = _literal if for_spreadsheets else _field
        table.writerow({name: field(name) for name in columns})
        yield lambda rows: table.writerows({name: field(value) for name, value in row.items()} for row in rows)


def _literal(value: Any) -> Any:
    """Return a field that a spreadsheet does not compute."""
    field = _field(value)
    return literal(field) if isinstance(field, str) else field


def _field(value: Any) -> Any:
    """Return a value as the text of a csv field."""
    if is_list(value):
        return ", ".join(map(str, value))
    return _json(value) if isinstance(value, dict) else value


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)  # dates of a parquet file, for example
