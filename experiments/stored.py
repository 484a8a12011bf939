"""Typed records as JSON files: what an experiment's folder holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from workbench import assets
from workbench.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import TypeAdapter

T = TypeVar("T")


def write(kind: TypeAdapter[T], record: T, path: Path) -> None:
    """Write a record, whole or not at all."""
    assets.write_whole(path, kind.dump_json(record, indent=1))


def read(kind: TypeAdapter[T], path: Path) -> T | None:
    """Return the record in a file; None where there is none, because the experiment is of another sort.

    Raises:
        IntegrityError: the file is not what :func:`write` writes.
    """
    if not path.is_file():
        return None
    try:
        return kind.validate_json(path.read_bytes())
    except ValidationError as error:
        raise IntegrityError(f"not readable: {error}", where=str(path)) from None
