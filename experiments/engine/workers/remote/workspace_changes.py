"""What a piece has changed in the workspace of its machine, compared with the workspace of the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.workers.remote.file_parts import names
from adapter_workbench.experiments.engine.workers.remote.incoming_files import topmost_missing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NOT_SENT = frozenset({"claims", "fits"})  # folders that no other machine has a use for


@dataclass(frozen=True)
class Changes:
    """What has to be changed in the other workspace to make both equal."""

    files: tuple[str, ...]  # names of new and changed files, in the order in which they were written
    replacing: frozenset[str]  # those of them that the other workspace has in an earlier form
    deleted: tuple[str, ...]  # names of files and folders that were deleted

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.files or self.deleted)


@dataclass
class SharedFiles:
    """The files that both workspaces have."""

    root: Path  # of the workspace here
    # name → size and time of change of each file that the other one has too
    known: dict[str, tuple[int, int]] = field(default_factory=dict)

    def changes(self) -> Changes:
        """Return what was written and deleted since both were equal."""
        now = {name: self._state(name) for name in _files_of_pieces(self.root)}
        files = [name for name, state in now.items() if self.known.get(name) != state]
        replacing = frozenset(name for name in files if name in self.known)
        deleted = dict.fromkeys(topmost_missing(self.root, name) for name in self.known if name not in now)
        return Changes(tuple(sorted(files, key=self._written)), replacing, tuple(deleted))

    def add(self, names_there: Iterable[str]) -> None:
        """Remember that the other workspace has these files, as they are here."""
        self.known.update((name, self._state(name)) for name in names_there)

    def remember(self, changes: Changes) -> None:
        """Remember that the changes were made in the other workspace."""
        self.add(changes.files)
        for name in [name for name in self.known if not (self.root / name).exists()]:
            del self.known[name]

    def _state(self, name: str) -> tuple[int, int]:
        if name.endswith("/"):
            return 0, 0
        stat = (self.root / name).stat()
        return stat.st_size, stat.st_mtime_ns

    def _written(self, name: str) -> tuple[int, int, str]:
        """Return a sort key: the time of writing; of equal times the deepest file first, since documents name them."""
        return (self.root / name).stat().st_ctime_ns, -name.count("/"), name


def _files_of_pieces(root: Path) -> list[str]:
    """Return the files of a workspace that pieces write: those below folders of the first level, except a few."""
    in_folders = [name for name in names(root) if "/" in name.removesuffix("/")]
    return [name for name in in_folders if name.partition("/")[0] not in NOT_SENT]
