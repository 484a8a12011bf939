"""The rows of one version of a task, as `workbench tasks update` kept them: parquet files, known by their SHA-256."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.tasks.reading.formats import Format
from adapter_workbench.tasks.reading.known_dialect import KnownDialect
from adapter_workbench.tasks.reading.text_files import exists, require_readable
from adapter_workbench.tasks.sources import Source
from adapter_workbench.tasks.sources._splits import identity_of
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files.ordinary import contents
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    import pandas as pd

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class GivenFiles(DialectSettings):
    """How the files are written that the rows of the first version came from."""

    format: Format


class VersionSettings(Settings):
    """Which version, what it was made from, and the SHA-256 of the file of each split."""

    number: int = Field(ge=1, description="of the version; 1 is the task as its own file had it")
    made_from: str = Field(description="where its newest rows come from, for people")
    fingerprint: str = Field("", description="of the task's data, as adapters of this version have it")
    files: GivenFiles | None = Field(None, description="format and dialect of its first files; later ones are alike")
    train: Digest
    validation: Digest
    test: Digest

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of the file of each split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def file_of(split: str, folder: Path) -> Path:
    """Return where the rows of a split lie in the folder of a version."""
    return folder / f"{split}.parquet"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_table(content: bytes) -> pd.DataFrame:
    """Return the table in the bytes of a parquet file."""
    import pyarrow.parquet as pq

    frame: pd.DataFrame = pq.read_table(io.BytesIO(content)).to_pandas()
    return frame


def checked_bytes(path: Path, expected: str) -> bytes:
    """Return the content of a file of a version.

    Raises:
        IntegrityError: it is not there, or not what was written.
    """
    if not exists(path):
        raise IntegrityError("damaged: the file is missing", where=str(path))
    require_readable(path)
    content = contents(path)
    if sha256(content) != expected:
        raise IntegrityError("damaged: the content has changed since it was written", where=str(path))
    return content


def read(settings: VersionSettings, folder: Path) -> dict[str, pd.DataFrame]:
    """Return one frame of text columns for each split.

    Raises:
        IntegrityError: a file is missing, or not what was written.
    """
    return {split: read_split(settings, folder, split) for split in settings.digests}


def read_split(settings: VersionSettings, folder: Path, split: str) -> pd.DataFrame:
    """Return the frame of one split; raises as :func:`read`."""
    return read_table(checked_bytes(file_of(split, folder), settings.digests[split]))


def origin(settings: VersionSettings) -> str:
    """Return the number, and where the newest rows come from."""
    return f"{settings.number}, from {settings.made_from}"


def identity(settings: VersionSettings, folder: Path) -> str | None:
    """Return a digest of the rows, or None where a file is missing: rows that were deleted do not come from a cache."""
    is_whole = all(exists(file_of(split, folder)) for split in settings.digests)
    return identity_of(settings.digests) if is_whole else None


def available(settings: VersionSettings, folder: Path) -> Availability:
    paths = [file_of(split, folder) for split in settings.digests]
    lost = next((path for path in paths if not exists(path)), None)
    return Availability("missing", f"no such file: {lost}") if lost else Availability("here", origin(settings))


def known_dialect(settings: VersionSettings, folder: Path) -> KnownDialect | None:
    """Return how the files of the first version were written; None where that was not kept."""
    files = settings.files
    return None if files is None else KnownDialect(files.format, files.dialect(files.format))


SOURCE = Source(VersionSettings, read, origin, identity, available=available, known_dialect=known_dialect)
