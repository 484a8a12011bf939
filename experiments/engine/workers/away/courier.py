"""What pieces read is brought to this machine, and what they change goes back."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Protocol

from experiments.engine.workers.away.arrival import Arrival
from experiments.engine.workers.away.changes import OWN, Shared
from experiments.engine.workers.away.files import inside, parts
from experiments.workspace.pace import Pace
from workbench.files import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from experiments.engine.workers.away.changes import Changes
    from experiments.engine.workers.away.files import Part

TRIES = 3  # to fetch files that somebody deletes meanwhile


class Asked(Protocol):
    """The workspace of the run, see :class:`experiments.engine.workers.away.desk.Desk`."""

    def names(self, below: str) -> list[str]:
        """Return the names of all files at or below one."""

    def parts(self, wanted: Sequence[str]) -> Iterator[list[Part]]:
        """Yield files."""

    def take(self, transfer: str, some: Sequence[Part]) -> None:
        """Take the next parts of what a piece has left."""

    def settle(self, transfer: str, changes: Changes, pace: str) -> None:
        """Make the changes of a piece."""


class Courier:
    """Goes between the workspace of a process and that of its run."""

    def __init__(self, asked: Asked, root: Path, worker: str) -> None:
        """Bring things to the workspace in ``root`` from ``asked``, which knows the process as ``worker``."""
        self._asked, self._root, self._worker = asked, root, worker
        self._shared = Shared(root)
        self._looked_up: set[str] = set()

    def begin(self) -> None:
        """Forget what was asked for during the piece before: others may have left more since."""
        self._looked_up.clear()

    def fetch(self, path: Path) -> None:
        """Fetch the folder or document that ``path`` is, or is in, as far as it is not here: all or nothing.

        It is asked for once in a piece. What the piece deletes does not come back, and is not lost for others: the
        workspace of the run has it until the piece is over.
        """
        steps = path.relative_to(self._root).parts[:2]
        unit = "/".join(steps)
        if len(steps) < 2 or steps[0] in OWN or unit in self._looked_up:
            return
        self._looked_up.add(unit)
        for further in reversed(range(TRIES)):
            try:
                self._copy([name for name in self._asked.names(unit) if not inside(self._root, name).exists()])
                return
            except FileNotFoundError:
                if not further:
                    raise

    def send(self) -> None:
        """Take back what a piece has changed; both workspaces have the same then."""
        changes, pace = self._shared.changes(), Pace(self._root / "pace.jsonl").taken()
        if not changes and not pace:
            return
        transfer = f"{self._worker}/{secrets.token_hex(8)}"
        for some in parts((name, self._root / name) for name in changes.files):
            self._asked.take(transfer, some)
        self._asked.settle(transfer, changes, pace)
        self._shared.settled(changes)

    def _copy(self, wanted: Sequence[str]) -> None:
        if not wanted:
            return
        with atomic.folder_beside(self._root / "arriving") as folder:
            arrival = Arrival(folder)
            for some in self._asked.parts(wanted):
                arrival.take(some)
            arrival.settle(self._root, wanted)
        self._shared.note(wanted)
