"""Small results: one JSON file of one type for each key."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter

from adapter_workbench.experiments.workspace.access import Access
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.read_once import ReadOnce

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 20_000  # bytes of a document that stays in memory
T = TypeVar("T")
_adapter = cache(TypeAdapter)


def form_of(kind: type[T]) -> TypeAdapter[T]:
    """Return the TypeAdapter that reads and writes values of a dataclass; it is made once, since that takes a while."""
    hashable: Any = kind  # which mypy does not know of every class
    form: TypeAdapter[T] = _adapter(hashable)
    return form


class Documents(Generic[T]):
    """The files ``KEY.json`` in one folder; each is written completely or not at all."""

    def __init__(self, root: Path, kind: type[T], access: Access | None = None, known: Known | None = None) -> None:
        """Keep values of a dataclass in ``root``, made when the first one is saved; ``known`` has what was read."""
        self.root, self.access, self._kind, self._known = root, access or Access(), form_of(kind), known or Known()

    def get(self, key: str) -> T | None:
        """Return what was saved under ``key``, or None.

        Raises:
            IntegrityError: it is damaged, and the workspace does not mend damage.
        """
        path = self.root / f"{key}.json"
        return self.access.read(
            path, lambda: self._known.documents.value(path, _stamp(path), lambda: self._read(path, key))
        )

    def require(self, key: str) -> T:
        """Return what was saved under ``key``; raises IntegrityError if it is missing."""
        value = self.get(key)
        if value is None:
            raise IntegrityError("the result of a piece is missing", where=str(self.root / f"{key}.json"))
        return value

    def save(self, key: str, value: T) -> T:
        """Write ``value`` under ``key``, and return it."""
        checksummed.write(self._kind, value, self.root / f"{key}.json", key)
        return value

    def _read(self, path: Path, key: str) -> T | None:
        return checksummed.read(self._kind, path, key)


def _stamp(path: Path) -> checksummed.Stamp | None:
    """Return the stamp of a document; None where it is large, too, so that it is read each time."""
    stamp = checksummed.stamp_of(path.parent, [path.name])
    return stamp if stamp and stamp[0][1] <= LARGEST else None


# What a command has read so far.


class Known:
    """What all views of one workspace within a command share.

    Attributes:
        sound: keys of what was compared with its digests.
        documents: what was read of files.
        manifests: of adapters, by their folders.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.sound: set[str] = set()
        self.documents = ReadOnce()
        self.manifests = ReadOnce()
