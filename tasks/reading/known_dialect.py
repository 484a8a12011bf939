"""How a file is written that comes to a task: as the task's own files where that fits, else as its content tells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from adapter_workbench.tasks.reading import delimited, formats, sheets
from adapter_workbench.tasks.reading.dialect import USUAL, Dialect, DialectSettings
from adapter_workbench.tasks.reading.sniffing import encoding_in, sniff
from adapter_workbench.tasks.reading.text_files import suffix_of


@dataclass(frozen=True)
class KnownDialect:
    """How the files of a task are written."""

    format: formats.Format  # see ``formats``
    dialect: Dialect  # what the task file says of them; what it leaves out is usual

    def claims(self, path: Path) -> bool:
        """Return whether a file is taken to have this format, since its name does not tell another.

        Only CoNLL files have any name: ``eng.testb``, ``test.txt``.
        """
        return self.format == "conll" and (not formats.is_known(path) or suffix_of(path) == ".txt")


def dialect_of(
    path: Path,
    format: str,  # noqa: A002 - the key's name in a task file
    overrides: DialectSettings,
    expected: Collection[str] = (),
    known: KnownDialect | None = None,
) -> Dialect:
    """Return how a file is written.

    It is taken to be written as the task's own files if it has their format and, read like them, one of the
    ``expected`` columns. So a delimiter or a decimal sign that a person once named is not guessed again. UTF-8 is told
    by its bytes; another encoding is that of the task's files, if it explains them.

    Args:
        path: the file.
        format: of it.
        overrides: what a person says of this file.
        expected: columns that are asked for: a first row with one of them is a header.
        known: of the task that it comes to; None where there is none, or nothing is known.

    Raises:
        InputError: no such file, or no workbook.
        DataError: an empty file, or bytes that no encoding explains.
    """
    own = known.dialect if known is not None and known.format == format else None
    if format in USUAL:
        return (own and _like(path, own, expected)) or sniff(path, format, overrides, expected)
    if own is None:
        return overrides.dialect(format)
    if format == "xlsx" and not own.header:
        with sheets.open_sheet(path) as (names, _):
            return replace(own, header=bool({*names} & {*expected}))
    return replace(own, encoding=encoding_in(path, own.encoding)) if format in {"jsonl", "conll"} else own


def _like(path: Path, own: Dialect, expected: Collection[str]) -> Dialect | None:
    """Return the dialect of a file that fits ``own``; None where it does not.

    Without a header, columns are called by their places: a lone one says nothing of the delimiter.
    """
    dialect = replace(own, encoding=encoding_in(path, own.encoding), header=False)
    with delimited.open_table(path, dialect) as table:
        first, names = next(table.rows, []), table.names
    if {*first} & {*expected}:
        return replace(dialect, header=True)
    return dialect if not own.header and len(names) > 1 and {*names} & {*expected} else None
