"""Copies what pieces read to this machine, and what they change back to the workspace of the run."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Protocol

from adapter_workbench.experiments.engine.workers.remote.file_parts import inside, parts
from adapter_workbench.experiments.engine.workers.remote.incoming_files import IncomingFiles
from adapter_workbench.experiments.engine.workers.remote.workspace_changes import NOT_SENT, SharedFiles
from adapter_workbench.experiments.workspace.pace import Pace
from adapter_workbench.workbench.files import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.engine.workers.remote.file_parts import Part
    from adapter_workbench.experiments.engine.workers.remote.workspace_changes import Changes

TRIES = 3  # to fetch files that somebody deletes meanwhile


class WorkspaceSource(Protocol):
    """The workspace of the run, see :class:`WorkspaceServer`."""

    def names(self, below: str) -> list[str]:
        """Return the names of all files at or below one."""

    def parts(self, names: Sequence[str]) -> Iterator[list[Part]]:
        """Yield the parts of files."""

    def take(self, transfer: str, parts: Sequence[Part]) -> None:
        """Take the next parts of the files that a piece has written."""

    def apply(self, transfer: str, changes: Changes, pace: str) -> None:
        """Make the changes of a piece."""


class FileSync:
    """Keeps the workspace of a process and that of its run equal, as far as its pieces need it."""

    def __init__(self, source: WorkspaceSource, root: Path, worker: str) -> None:
        """Copy to the workspace in ``root`` from ``source``, which knows the process as ``worker``."""
        self._source, self._root, self._worker = source, root, worker
        self._shared = SharedFiles(root)
        self._fetched: set[str] = set()

    def begin(self) -> None:
        """Begin a piece: what earlier pieces fetched is fetched again, since others may have written more."""
        self._fetched.clear()

    def fetch(self, path: Path) -> None:
        """Fetch the document or folder that ``path`` is, or is in, except files that are here: all of it or nothing.

        It is fetched once in a piece. So what the piece deletes does not come back; others still have it in the
        workspace of the run until the piece ends.
        """
        components = path.relative_to(self._root).parts[:2]
        unit = "/".join(components)
        if len(components) < 2 or components[0] in NOT_SENT or unit in self._fetched:
            return
        self._fetched.add(unit)
        for tries_left in reversed(range(TRIES)):
            try:
                self._copy([name for name in self._source.names(unit) if not inside(self._root, name).exists()])
                return
            except FileNotFoundError:
                if not tries_left:
                    raise

    def send(self) -> None:
        """Send what a piece has changed; both workspaces are equal then."""
        changes, pace = self._shared.changes(), Pace(self._root / "pace.jsonl").take()
        if not changes and not pace:
            return
        transfer = f"{self._worker}/{secrets.token_hex(8)}"
        for message in parts((name, self._root / name) for name in changes.files):
            self._source.take(transfer, message)
        self._source.apply(transfer, changes, pace)
        self._shared.remember(changes)

    def _copy(self, names: Sequence[str]) -> None:
        if not names:
            return
        with atomic.folder_beside(self._root / "arriving") as folder:
            incoming = IncomingFiles(folder)
            for message in self._source.parts(names):
                incoming.take(message)
            incoming.move_to(self._root, names)
        self._shared.add(names)
