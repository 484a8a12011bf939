"""What was read of files, which are read again only where they have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from adapter_workbench.workbench.files.checksummed import Stamp

MOST = 10_000  # values in memory
T = TypeVar("T")


class ReadOnce:
    """Values by the path that they were read from."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._values: dict[Path, tuple[int, Any]] = {}  # path → hash of its stamp, and what was read

    def value(self, path: Path, stamp: Stamp | None, read: Callable[[], T]) -> T:
        """Return what ``path`` holds; ``read`` is called where its ``stamp`` is new, or None: it may still change.

        Once there are many, others are read each time: whoever goes through more of them than there is room for would
        push out each one before it is asked for again.
        """
        state, known = hash(stamp), self._values.get(path)
        if known and stamp is not None and known[0] == state:
            value: T = known[1]
            return value
        self._values.pop(path, None)
        value = read()
        if stamp is not None and value is not None and len(self._values) < MOST:
            self._values[path] = state, value
        return value

    def forget_all_but(self, paths: Collection[Path]) -> None:
        """Let go of what was read elsewhere than at ``paths``."""
        for path in self._values.keys() - {*paths}:
            self._values.pop(path, None)
