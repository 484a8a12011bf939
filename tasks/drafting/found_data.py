"""Data that a person has, wherever they are: the files, how they are written, and the lines of a task file for them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.tasks.drafting.template import quote
from adapter_workbench.tasks.reading import formats, label_folders
from adapter_workbench.tasks.reading.dialect import USUAL, DialectSettings, in_words, unusual
from adapter_workbench.tasks.reading.known_dialect import KnownDialect, dialect_of
from adapter_workbench.tasks.reading.sniffing import is_ascii
from adapter_workbench.tasks.reading.text_files import exists, path_of, require_readable
from adapter_workbench.tasks.rows.normalise import frame_of
from adapter_workbench.tasks.sources import hub
from adapter_workbench.workbench.errors import InputError, no_such_file
from adapter_workbench.workbench.files.ordinary import require_utf_8

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.tasks.sources import Table

SPLIT_NAMES = {"train": "train", "training": "train", "dev": "validation", "valid": "validation", "val": "validation"}
SPLIT_NAMES |= {"validation": "validation", "eval": "validation", "test": "test", "testing": "test", "data": "data"}
SAMPLE = 10_000  # rows that a guess looks at, evenly spaced
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")  # of repositories on the hub
COMMENTS = {
    "quotes": "a quote is a character like any other",
    "header": "columns are called column_1, column_2, …",
    "decimal": "the decimal sign where numbers are asked for",
}


@dataclass(frozen=True)
class RawData:
    """Data as they were found."""

    origin: str  # what a person called them
    source: tuple[str, ...]  # the lines of a task file that name them
    tables: Mapping[str, Table]  # split of the source → its rows; ``data`` where there is one table
    frame: pd.DataFrame  # the rows of the training split; of the first one where none is needed
    read_as: str = ""  # how a text file was read, in words; empty where there is nothing to say
    encoding: str = "utf-8"  # of text files; UTF-8 also of others

    @property
    def sizes(self) -> dict[str, int]:
        """Split of the source → number of rows."""
        return {name: len(rows) for name, rows in self.tables.items()}

    @property
    def sample(self) -> pd.DataFrame:
        """At most 10,000 rows, evenly spaced."""
        return self.frame.iloc[:: 1 + len(self.frame) // SAMPLE]


def data_at(
    origin: str,
    folder: Path,
    overrides: DialectSettings | None = None,
    expected: Collection[str] = (),
    known: KnownDialect | None = None,
    *,
    needs_train: bool = True,
    format: formats.Format | None = None,  # noqa: A002 - the key's name in a task file
    option: str | None = None,
) -> RawData:
    """Return the data at ``origin``.

    Args:
        origin: a csv, tsv, txt, jsonl, conll, parquet or xlsx file (text also as .gz or .bz2), a folder of such files
            called train, dev, test …, a folder of ``<label>/<name>``, or of such folders, a folder laid out like a
            repository of the hub, or a hub id (``owner/name``, ``owner/name:config``).
        folder: where the task file will lie; paths in it are relative to this folder.
        overrides: what a person has said of how text files are written; the rest is told from the files.
        expected: columns of the task that the data come to.
        known: how its own files are written; None where that is not known.
        needs_train: whether rows to train on have to be there.
        format: of the file, or of the files of a folder; None: as their names say.
        option: what names a format to whoever has given ``origin``; None where nothing does.

    Raises:
        InputError: no such data, or none to train on where those are needed.
        AssetError: the hub cannot be reached.
    """
    path, overrides = path_of(origin), overrides or DialectSettings()
    repository, _, config = origin.partition(":")
    read_as, encoding = "", None
    if exists(path):
        how = _How(overrides, expected, known, format, option)
        tables, source, read_as, encoding = _from_path(path, folder, how)
    elif format:
        raise no_such_file(path, "no such file or folder, and a format can be named for those alone")
    elif config and exists(path_of(repository)):
        tables, source = _from_repository(path_of(repository), folder, config)
    else:
        tables, source = _from_hub(origin)
    if format and not any(line.startswith("files:") for line in source):
        raise InputError("a format can be named for files only", where=option or origin, hint="Leave it out.")
    if overrides.set_values() and not read_as:
        raise InputError(f"{', '.join(overrides.set_values())} can be set for text files only", where=origin)
    trained = ("train", "data") if needs_train else ("train", "data", *tables)
    split = next((name for name in trained if name in tables), None)
    if split is None:
        raise InputError(f"no training data, only {', '.join(tables)}", where=origin, hint="Call a file train or data.")
    return RawData(origin, tuple(source), tables, frame_of(tables[split]), read_as, encoding or "utf-8")


@dataclass(frozen=True)
class _How:
    """How files are to be read, as :func:`data_at` was told."""

    overrides: DialectSettings
    expected: Collection[str]
    known: KnownDialect | None
    format: formats.Format | None
    option: str | None

    def format_of(self, file: Path) -> formats.Format:
        """Return the format of a file: the one that was named, else that of its name."""
        return self.format or formats.format_of(file, self.option)


def _from_path(path: Path, folder: Path, how: _How) -> tuple[Mapping[str, Table], list[str], str, str | None]:
    require_readable(path, folder=True)
    files = {"data": path} if path.is_file() or _holds_labels(path) else _split_files(path, how.format)
    if files:
        format, dialect = _format_and_dialect(files, how)  # noqa: A001
        tables: dict[str, Table] = {split: formats.read(file, how.format, dialect) for split, file in files.items()}
        lines = ["files:", *(f"  {split}: {quote(_relative(file, folder))}" for split, file in files.items())]
        lines += [f"  format: {how.format}"] if how.format else []
        return tables, [*lines, *_keys(dialect)], _in_words(format, dialect), dialect.encoding
    if _is_repository(path):
        return *_from_repository(path, folder, ""), "", None
    hint = (
        f"Expected files called train, dev, test … ({formats.READABLE}), folders <label>/<text>, or a hub repository."
    )
    raise InputError("no data in this folder", where=str(path), hint=hint)


def _format_and_dialect(files: Mapping[str, Path], how: _How) -> tuple[str, DialectSettings]:
    """Return the format of the first file, and the dialect settings that a task file needs for all of them."""
    overrides, expected, known = how.overrides, how.expected, how.known
    file_formats = [how.format_of(file) for file in files.values()]
    first = file_formats[0]
    if first == "folders":
        likeliest = next(filter(None, map(label_folders.encoding_of_texts, files.values())), None)
        own = known.dialect.encoding if likeliest and known and known.format == first else "utf-8"
        return first, overrides.model_copy(
            update={"encoding": overrides.encoding or (likeliest if own == "utf-8" else own)}
        )
    if first not in USUAL and known is None:
        return first, overrides
    dialects = {
        file: dialect_of(file, file_format, overrides, expected, known)
        for file, file_format in zip(files.values(), file_formats, strict=True)
        if (file_format in USUAL) == (first in USUAL)
    }
    quotes = all(dialect.quotes for dialect in dialects.values())
    encoding = _encoding_of_all({file: dialect.encoding for file, dialect in dialects.items()})
    dialect = replace(next(iter(dialects.values())), quotes=quotes, encoding=encoding)
    return first, DialectSettings(**unusual(dialect, first))


def _encoding_of_all(encodings: Mapping[Path, str]) -> str:
    """Return the first encoding that is not UTF-8, else UTF-8; raises InputError where it would garble a UTF-8 file."""
    other = next((file for file, encoding in encodings.items() if encoding != "utf-8"), None)
    if other is None:
        return "utf-8"
    for file in (file for file, encoding in encodings.items() if encoding == "utf-8"):
        if encodings[other].startswith("utf") or not is_ascii(file):
            message = f"{file.name} is UTF-8 and {other.name} is {encodings[other]}, and a task has one encoding"
            raise InputError(message, where=str(file.parent), hint=f"Save {other.name} as UTF-8.")
    return encodings[other]


def _keys(dialect: DialectSettings) -> list[str]:
    """Return the lines of a task file for settings that differ from the usual ones."""
    lines = []
    for key, value in dialect.set_values().items():
        written = str(value).lower() if isinstance(value, bool) else quote(value)
        lines.append(f"  {key}: {written}{f' # {COMMENTS[key]}' if key in COMMENTS else ''}")
    return lines


def _in_words(format: str, dialect: DialectSettings) -> str:  # noqa: A002
    if format in USUAL:
        return in_words(dialect.dialect(format))
    if format == "xlsx":
        return f"the first sheet, {'no header' if dialect.header is False else 'a header'}"
    encoding = dialect.encoding or "utf-8"
    if format == "conll":
        return f"a word and its tag on each line, a blank line between sentences, {encoding}"
    return f"texts in {encoding}" if format in {"folders", "jsonl"} else ""


def _from_repository(path: Path, folder: Path, config: str) -> tuple[Mapping[str, Table], list[str]]:
    relative = _relative(path, folder)
    identity = relative if relative.startswith((".", "/")) else f"./{relative}"
    here = str(path.resolve())  # the folder that the path is relative to may not be there yet
    read = hub.read(hub.HubSettings(id=here, config=config or None, revision=None), folder)
    return read, ["hub:", f"  id: {quote(identity)}", *([f"  config: {quote(config)}"] if config else [])]


def _is_repository(path: Path) -> bool:
    """Return whether a folder is laid out as data sets are on the hub: tables below it."""
    return any(file.suffix.lower() in TABLES for file in path.glob("*/*") if file.is_file())


def _holds_labels(path: Path) -> bool:
    """Return whether a folder holds texts in folders called after their labels."""
    if not path.is_dir() or _split_files(path) or _is_repository(path):
        return False
    return label_folders.holds_label_folders(path)


def _relative(path: Path, folder: Path) -> str:
    relative = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    require_utf_8(path, relative, "a task file has to name it")
    return relative


def _split_files(path: Path, format: formats.Format | None = None) -> dict[str, Path]:  # noqa: A002
    """Return split → the file that its name says; of any suffix where a ``format`` was named."""
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        words = re.split(r"[^a-z]+", file.stem.lower())
        splits = [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]
        split = next((split for split in splits if split != "data"), "data" if splits else None)  # data_test is test
        if split and (bool(format) or formats.is_known(file) if file.is_file() else _holds_labels(file)):
            if split in files:
                raise InputError(f"two files for {split}: {files[split].name}, {file.name}", where=str(path))
            if file.is_symlink() and file.is_dir():
                raise label_folders.link_error(file)
            files[split] = file
    order = [split for split in ("train", "data", "validation", "test") if split in files]
    return {split: files[split] for split in order if split != "data" or "train" not in files}


def _from_hub(origin: str) -> tuple[Mapping[str, Table], list[str]]:
    identity, _, config = origin.partition(":")
    if not hub.HUB_ID.fullmatch(identity) or formats.is_known(Path(identity)):
        raise no_such_file(Path(origin), f"no such file or folder, and not a hub id: {hub.EXPECTED_ID}")
    read = hub.read(hub.HubSettings(id=identity, config=config or None, revision=None), Path())
    lines = ["hub:", f"  id: {identity}", *([f"  config: {quote(config)}"] if config else [])]
    return read, [*lines, "  # revision: pin a commit here to keep results comparable"]
