"""A data set on the Hugging Face hub, or a local folder laid out like one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from adapter_workbench.tasks.reading.hub_card import require_data_inside
from adapter_workbench.tasks.reading.text_files import exists, path_of
from adapter_workbench.tasks.sources import Source
from adapter_workbench.workbench.errors import AssetError, InputError, opening, reason
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.files.hub_files import hub_silence
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.machine.quiet import quiet
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from datasets import Dataset


PATHS = (".", "~", "/")  # what the path of a local folder begins with
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
EXPECTED_ID = "expected owner/name (its whole name also for an old one: stanfordnlp/imdb, not imdb)"


class HubSettings(Settings):
    """Which data set, and which state of it."""

    id: str = Field(description="owner/name on the hub; a local folder begins with `.`, `~` or `/`")
    config: str | None = Field(None, description="configuration, where the data set has several")
    revision: str | None = Field(None, description="commit, tag or branch; pin a commit to keep results comparable")

    @field_validator("id")
    @classmethod
    def _is_folder_or_whole(cls, id: str) -> str:  # noqa: A002 - the key's name
        """Refuse names without an owner: `datasets` takes some for its own readers, and that of pandas runs pickles."""
        if id[:1] not in PATHS and not HUB_ID.fullmatch(id):
            raise ValueError(f"{EXPECTED_ID}, or a folder that begins with `.`, `~` or `/`")
        return id

    def local(self, folder: Path) -> Path | None:
        """Return the folder that ``id`` names, or None for an id on the hub; InputError where none is."""
        if self.id[:1] not in PATHS:
            return None
        local = folder / path_of(self.id)
        if not exists(local) or not local.is_dir():
            raise InputError("no such folder", where=str(local))
        return local


def read(settings: HubSettings, folder: Path) -> dict[str, Dataset]:
    """Return the splits of the data set; code inside a data set's repository is never run.

    Raises:
        InputError: a local folder that is not there, holds no data set, or leads to files outside it; or the current
            folder has one that is called like an id.
        AssetError: no such data set, configuration or revision, or the hub cannot be reached and nothing is cached.
    """
    from datasets import DatasetDict, load_dataset

    local = settings.local(folder)
    if local is not None:
        require_data_inside(local)
        with _patient(), opening("this folder", str(local), "Expected files as data sets on the hub have them."):
            splits = load_dataset(str(local.absolute()), settings.config, revision=settings.revision)
        return dict(splits) if isinstance(splits, DatasetDict) else {"data": splits}
    if Path(settings.id).is_dir():  # `datasets` would read it in place of the hub's, whatever the revision
        hint = f"Run the command in another folder; or write ./{settings.id} (from the task file) to read this one."
        raise InputError("a folder here is called like this data set of the hub", where=settings.id, hint=hint)
    silence = hub_silence()
    try:
        with _patient(silence):
            splits = load_dataset(settings.id, settings.config, revision=settings.revision)
    except Exception as error:  # the libraries behind it raise many
        why = f"{silence}, and the cache does not have it" if silence else reason(error)
        raise AssetError(
            f"cannot load {origin(settings)} from the hub: {why}",
            hint="Check the id, config and revision, and the network; or download it and give the folder's path.",
        ) from None
    return dict(splits) if isinstance(splits, DatasetDict) else {"data": splits}


@contextmanager
def _patient(silence: str = "") -> Iterator[None]:
    """Let `datasets` take what is cached where the hub is silent, and keep its warnings off the screen."""
    from datasets import config

    before = config.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = before or bool(silence)
    try:
        with quiet("huggingface_hub", "datasets"):
            yield
    finally:
        config.HF_HUB_OFFLINE = before


def origin(settings: HubSettings) -> str:
    """Return ``id/config@revision``."""
    config = f"/{settings.config}" if settings.config else ""
    return f"{settings.id}{config}{f'@{settings.revision[:12]}' if settings.revision else ''}"


def identity(settings: HubSettings, folder: Path) -> str | None:
    """Return the pinned commit, or the digest of a local folder; None for a branch, which may move."""
    local = settings.local(folder)
    if local is not None:
        require_data_inside(local)
        return digest(local)
    revision = settings.revision or ""
    return revision if len(revision) == 40 and set(revision) <= set("0123456789abcdef") else None


def hub_id(settings: HubSettings) -> str | None:
    """Return ``owner/name``; None for a local folder."""
    return None if settings.id[:1] in PATHS else settings.id


def available(settings: HubSettings, folder: Path) -> Availability:
    """Say whether the data set is a local folder or lies in the cache of `datasets`, a pinned one at its commit.

    Raises:
        InputError: a local folder that is not there.
    """
    local = settings.local(folder)
    if local is not None:
        return Availability("here", str(local))
    if _is_cached(settings, identity(settings, folder)):
        return Availability("here", f"cached from the Hugging Face hub, {origin(settings)}")
    return Availability("download", f"Hugging Face hub, {origin(settings)}")


def _is_cached(settings: HubSettings, commit: str | None) -> bool:
    from datasets import config
    from datasets.naming import camelcase_to_snakecase

    *owner, name = settings.id.split("/")
    folder = Path(config.HF_DATASETS_CACHE).expanduser() / "___".join([*owner, camelcase_to_snakecase(name)])
    return any(path.is_dir() for path in folder.glob(f"{settings.config or '*'}/*/{commit or '*'}"))


SOURCE = Source(HubSettings, read, origin, identity, hub_id, available)
