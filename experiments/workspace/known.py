"""What a command has read so far: a document is read again only where its files have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workbench.files.checksummed import Stamp

MOST = 10_000  # documents in memory
T = TypeVar("T")


class Known:
    """What all views of one workspace within a command share.

    Attributes:
        sound: keys of what was compared with its digests.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.sound: set[str] = set()
        self._documents: dict[Path, tuple[int, Any]] = {}  # path → hash of its stamp, and what was in it

    def document(self, path: Path, stamp: Stamp | None, read: Callable[[], T]) -> T:
        """Return what is in a document; ``read`` is called where its ``stamp`` is new, or None: it may still change.

        Once there are many, others are read each time: whoever goes through more of them than there is room for would
        push out each one before it is asked for again.
        """
        state, known = hash(stamp), self._documents.get(path)
        if known and stamp is not None and known[0] == state:
            value: T = known[1]
            return value
        self._documents.pop(path, None)
        value = read()
        if stamp is not None and value is not None and len(self._documents) < MOST:
            self._documents[path] = state, value
        return value
