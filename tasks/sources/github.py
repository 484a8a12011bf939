"""Files of a repository on GitHub at one commit: downloaded once, checked, never run."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from pydantic import Field, field_validator, model_validator

from adapter_workbench.tasks.reading import formats
from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.tasks.sources import Source
from adapter_workbench.tasks.sources._splits import given_files, identity_of, require_data_or_train
from adapter_workbench.workbench.errors import AssetError
from adapter_workbench.workbench.files.cache import cache_folder
from adapter_workbench.workbench.files.fetched import fetched
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

HOST = "https://raw.githubusercontent.com"
PATIENCE = 30.0  # seconds without an answer


class RepositoryFile(Settings):
    path: str = Field(min_length=1, description="path inside the repository")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of its bytes")

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError("expected a path inside the repository")
        return path


class GithubSettings(DialectSettings):
    """One file for each split, or one with all the data; all are written in the same dialect."""

    repository: str = Field(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9_][A-Za-z0-9._-]*$", description="OWNER/NAME")
    commit: str = Field(pattern=r"^[0-9a-f]{40}$", description="the whole hash; a branch may move")
    data: RepositoryFile | None = Field(None, description="all rows in one file, {path: …, sha256: …}; it is split")
    train: RepositoryFile | None = Field(None, description="in place of data: the file of each split")
    validation: RepositoryFile | None = Field(None, description="if null, cut from train")
    test: RepositoryFile | None = Field(None, description="if null, cut from train")
    format: formats.Format | None = Field(None, description="format; guessed from the suffix if left out")

    @model_validator(mode="after")
    def _data_or_train(self) -> Self:
        require_data_or_train(self)
        return self

    def files(self) -> dict[str, RepositoryFile]:
        """Return the file of each split that was given."""
        return given_files(self)

    def local_path(self, file: RepositoryFile) -> Path:
        """Return where the local copy of a file lies, or would lie."""
        return cache_folder() / "github" / self.repository / self.commit / PurePosixPath(file.path)


def read(settings: GithubSettings, folder: Path) -> dict[str, pd.DataFrame]:
    """Return one frame for each file.

    Raises:
        InputError: the cache cannot be written.
        AssetError: a file cannot be fetched, or its bytes are not the promised ones.
        DataError: a file is not what its format says.
    """
    return {
        split: formats.read(fetch(settings, file), settings.format, settings)
        for split, file in settings.files().items()
    }


def fetch(settings: GithubSettings, file: RepositoryFile) -> Path:
    """Return the local copy of a file; raises as :func:`read`."""
    what = f"{file.path} of {origin(settings)}"
    return fetched(settings.local_path(file), file.sha256, what, lambda _: _fetch(settings, file))


def _fetch(settings: GithubSettings, file: RepositoryFile) -> Callable[[Path], object]:
    """Download a file; return what writes it to a path."""
    content = _download(settings, file)
    return lambda path: path.write_bytes(content)


def _download(settings: GithubSettings, file: RepositoryFile) -> bytes:
    import requests

    address = f"{HOST}/{settings.repository}/{settings.commit}/{quote(file.path)}"
    try:
        answer = requests.get(address, timeout=PATIENCE)
        answer.raise_for_status()
    except requests.RequestException as error:
        why = f"{error.response.status_code} {error.response.reason}" if error.response is not None else "no answer"
        raise AssetError(
            f"cannot download {file.path} of {origin(settings)}: {why}",
            where=address,
            hint="Check the network; files fetched before stay usable.",
        ) from None
    content: bytes = answer.content
    return content


def origin(settings: GithubSettings) -> str:
    """Return ``owner/name@commit``."""
    return f"{settings.repository}@{settings.commit[:12]}"


def identity(settings: GithubSettings, folder: Path) -> str:
    """Return a digest of the files' promised digests, which :func:`read` verifies."""
    return identity_of({split: file.sha256 for split, file in settings.files().items()})


def available(settings: GithubSettings, folder: Path) -> Availability:
    """Say whether all files lie in the cache."""
    if all(settings.local_path(file).is_file() for file in settings.files().values()):
        return Availability("here", f"cached from GitHub, {origin(settings)}")
    return Availability("download", f"GitHub, {origin(settings)}")


SOURCE = Source(GithubSettings, read, origin, identity, available=available)
