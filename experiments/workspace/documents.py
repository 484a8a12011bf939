"""Small results that stand by themselves: one JSON file of one type for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import TypeAdapter

from experiments.workspace.mending import Mending
from workbench import sealed

if TYPE_CHECKING:
    from pathlib import Path

Note = TypeVar("Note")


class Notes(Generic[Note]):
    """The files ``KEY.json`` below one folder, each whole or not at all."""

    def __init__(self, root: Path, kind: type[Note], mending: Mending | None = None) -> None:
        """Keep values of a dataclass below ``root``; it is made when the first one is saved."""
        self.root, self.mending, self._kind = root, mending or Mending(), TypeAdapter(kind)

    def get(self, key: str) -> Note | None:
        """Return what was saved under ``key``, or None.

        Raises:
            IntegrityError: it is damaged, and nobody is mending.
        """
        path = self.root / f"{key}.json"
        return self.mending.known(path, lambda: sealed.read(self._kind, path))

    def save(self, key: str, note: Note) -> Note:
        """Write ``note`` under ``key``, and return it."""
        sealed.write(self._kind, note, self.root / f"{key}.json")
        return note
