"""Your own files: delimited text, jsonl, parquet, xlsx, or folders of texts; paths are relative to the task file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from adapter_workbench.tasks.reading import formats, label_folders
from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.tasks.reading.known_dialect import KnownDialect
from adapter_workbench.tasks.reading.text_files import exists, path_of, require_readable
from adapter_workbench.tasks.sources import Source
from adapter_workbench.tasks.sources._splits import given_files, identity_of, require_data_or_train
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.machine.availability import Availability

if TYPE_CHECKING:
    import pandas as pd


class FilesSettings(DialectSettings):
    """One file for each split, or one file with all the data; all are written in the same dialect."""

    data: Path | None = Field(None, description="all rows in one file; it is split")
    train: Path | None = Field(None, description="in place of data: the file of each split")
    validation: Path | None = Field(None, description="if null, cut from train")
    test: Path | None = Field(None, description="if null, cut from train")
    format: formats.Format | None = Field(None, description="format; guessed from the suffix if left out")

    @model_validator(mode="after")
    def _data_or_train(self) -> Self:
        require_data_or_train(self)
        return self

    def paths(self, folder: Path) -> dict[str, Path]:
        return {split: folder / path_of(path) for split, path in given_files(self).items()}


def read(settings: FilesSettings, folder: Path) -> dict[str, pd.DataFrame]:
    """Return one frame for each file; raises as :func:`adapter_workbench.tasks.reading.formats.read`."""
    return {split: formats.read(path, settings.format, settings) for split, path in settings.paths(folder).items()}


def origin(settings: FilesSettings) -> str:
    """Return the file names."""
    return ", ".join(path.name for path in settings.paths(Path()).values())


def identity(settings: FilesSettings, folder: Path) -> str | None:
    """Return a digest of the files' bytes, or None where one is missing.

    Raises:
        InputError: one is neither a file nor a folder; a device or a pipe has no bytes to be known by. Or a folder
            holds links, which lead to bytes that are not its own.
    """
    paths = settings.paths(folder)
    if not all(exists(path) for path in paths.values()):
        return None
    for path in paths.values():
        require_readable(path, folder=True)
        label_folders.require_no_links(path)
    identity = identity_of({split: digest(path) for split, path in paths.items()})
    is_mixed = label_folders.is_of_others(settings.encoding or "utf-8")
    return f"{identity} UTF-8 too" if is_mixed and any(path.is_dir() for path in paths.values()) else identity


def available(settings: FilesSettings, folder: Path) -> Availability:
    paths = settings.paths(folder).values()
    lost = next((path for path in paths if not exists(path)), None)
    return Availability("missing", f"no such file: {lost}") if lost else Availability("here", origin(settings))


def known_dialect(settings: FilesSettings, folder: Path) -> KnownDialect:
    """Return how the files are written; raises InputError where their name does not tell the format."""
    first = next(iter(settings.paths(folder).values()))
    format = settings.format or formats.format_of(first, formats.IN_TASK_FILE)  # noqa: A001
    return KnownDialect(format, settings.dialect(format))


SOURCE = Source(FilesSettings, read, origin, identity, available=available, known_dialect=known_dialect)
