"""Small results that stand by themselves: one JSON file of one type for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import TypeAdapter

from workbench import assets

if TYPE_CHECKING:
    from pathlib import Path

Note = TypeVar("Note")


class Notes(Generic[Note]):
    """The files ``KEY.json`` below one folder, each whole or not at all."""

    def __init__(self, root: Path, kind: type[Note]) -> None:
        """Keep values of a dataclass below ``root``; it is made when the first one is saved."""
        self.root, self._adapter = root, TypeAdapter(kind)

    def get(self, key: str) -> Note | None:
        """Return what was saved under ``key``, or None."""
        path = self.root / f"{key}.json"
        return self._adapter.validate_json(path.read_bytes()) if path.is_file() else None

    def save(self, key: str, note: Note) -> Note:
        """Write ``note`` under ``key``, and return it."""
        assets.write_whole(self.root / f"{key}.json", self._adapter.dump_json(note, indent=1))
        return note
