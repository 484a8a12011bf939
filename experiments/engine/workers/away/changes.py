"""What a piece has changed in a workspace of which another one holds a copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.engine.workers.away.files import names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OWN = frozenset({"claims", "fits"})  # folders that no other machine has a use for


@dataclass(frozen=True)
class Changes:
    """What has to be done in the other workspace, so that both have the same.

    Attributes:
        files: names of new and changed files, in the order in which they were written.
        again: those of them that the other workspace has in an earlier form.
        gone: names of files and folders that were deleted.
    """

    files: tuple[str, ...]
    again: frozenset[str]
    gone: tuple[str, ...]

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.files or self.gone)


@dataclass
class Shared:
    """What both workspaces have.

    Attributes:
        root: of the workspace here.
        known: name → size and time of change of each file that the other one has too.
    """

    root: Path
    known: dict[str, tuple[int, int]] = field(default_factory=dict)

    def changes(self) -> Changes:
        """Return what was written and deleted since both had the same."""
        now = {name: self._state(name) for name in _pieces_own(self.root)}
        files = [name for name, state in now.items() if self.known.get(name) != state]
        again = frozenset(name for name in files if name in self.known)
        gone = dict.fromkeys(self._highest(name) for name in self.known if name not in now)
        return Changes(tuple(sorted(files, key=self._written)), again, tuple(gone))

    def note(self, came: Iterable[str]) -> None:
        """Remember that the other workspace has these files, as they are here."""
        self.known.update((name, self._state(name)) for name in came)

    def settled(self, changes: Changes) -> None:
        """Remember that the changes were made in the other workspace."""
        self.note(changes.files)
        for name in [name for name in self.known if not (self.root / name).exists()]:
            del self.known[name]

    def _state(self, name: str) -> tuple[int, int]:
        if name.endswith("/"):
            return 0, 0
        stat = (self.root / name).stat()
        return stat.st_size, stat.st_mtime_ns

    def _written(self, name: str) -> tuple[int, int, str]:
        """Return what sorts files as they were written; of equal times those in folders first: documents name them."""
        return (self.root / name).stat().st_ctime_ns, -name.count("/"), name

    def _highest(self, name: str) -> str:
        """Return the highest folder above a deleted file that was deleted too; or the file."""
        steps = name.removesuffix("/").split("/")
        for depth in range(2, len(steps)):
            if not self.root.joinpath(*steps[:depth]).exists():
                return "/".join(steps[:depth])
        return "/".join(steps)


def _pieces_own(root: Path) -> list[str]:
    """Return the files of a workspace that pieces leave: those in folders of the first level, but for a few."""
    in_folders = [name for name in names(root) if "/" in name.removesuffix("/")]
    return [name for name in in_folders if name.partition("/")[0] not in OWN]
