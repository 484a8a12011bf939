"""The workspace of a run, as machines that do not see it can ask for it: one process on the machine of the run."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING

from experiments.engine.workers.away.arrival import Arrival
from experiments.engine.workers.away.backbones import model_files
from experiments.engine.workers.away.files import inside, names, parts
from experiments.workspace import Workspace
from workbench.errors import WorkError
from workbench.files import atomic
from workbench.files.locks import held

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from experiments.engine.workers.away.backbones import ModelFiles
    from experiments.engine.workers.away.changes import Changes
    from experiments.engine.workers.away.files import Part
    from experiments.engine.workers.away.packed import PackedPieces


class Desk:
    """An actor: Ray calls its methods, several at a time."""

    def __init__(self, root: Path, packed: PackedPieces) -> None:
        """Answer for the workspace in ``root``, and hand out the backbones of the pieces, by their numbers."""
        self._root, self._models = root, [model_files(backbone) for backbone in packed.backbones]
        self._pace = Workspace(root).pace
        self._arrivals: dict[str, tuple[ExitStack, Arrival]] = {}
        self._claims: dict[str, tuple[str, ExitStack]] = {}
        self._gone: set[str] = set()
        self._settling, self._claiming = Lock(), Lock()

    def names(self, below: str) -> list[str]:
        """Return the names of all files at or below one in the workspace."""
        return names(self._root, below)

    def parts(self, wanted: Sequence[str]) -> Iterator[list[Part]]:
        """Yield files of the workspace."""
        yield from parts((name, inside(self._root, name)) for name in wanted)

    def model_files(self, number: int) -> ModelFiles:
        """Return which files a backbone has."""
        return self._models[number]

    def model_parts(self, number: int) -> Iterator[list[Part]]:
        """Yield the files of a backbone."""
        yield from parts(self._models[number].paths.items())

    def take(self, transfer: str, some: Sequence[Part]) -> None:
        """Take the next parts of what a piece has left; nobody sees them before :meth:`settle`.

        Args:
            transfer: what they come with; it begins with the name of the worker and a slash.
            some: the parts.

        Raises:
            WorkError: the worker is known to have gone.
        """
        if _worker(transfer) in self._gone:
            raise WorkError("this process has ended for its run", where=transfer)
        if transfer not in self._arrivals:
            stack = ExitStack()
            folder = stack.enter_context(atomic.folder_beside(self._root / "arriving"))
            self._arrivals[transfer] = stack, Arrival(folder)
        try:
            self._arrivals[transfer][1].take(some)
        except BaseException:
            self.drop(transfer)
            raise

    def settle(self, transfer: str, changes: Changes, pace: str) -> None:
        """Make the changes of a piece in the workspace, once all of its files are here; else none of them.

        Args:
            transfer: that all files have come with.
            changes: which they are, in order.
            pace: lines on how long the work took.
        """
        if changes.files and transfer not in self._arrivals:
            self.take(transfer, [])
        try:
            with self._settling:
                if changes.files:
                    self._arrivals[transfer][1].settle(self._root, changes.files, changes.again)
                for name in changes.gone:
                    atomic.remove_whole(inside(self._root, name))
        finally:
            self.drop(transfer)
        if pace:
            self._pace.add(pace)

    def drop(self, transfer: str) -> None:
        """Forget what has come with a transfer that is over."""
        if arrival := self._arrivals.pop(transfer, None):
            arrival[0].close()

    def claim(self, key: str, worker: str) -> bool:
        """Return whether a piece is claimed now for a worker; nothing is claimed for a worker that has gone."""
        with self._claiming:
            if worker in self._gone:
                return False
            stack = ExitStack()
            if not stack.enter_context(held(inside(self._root, f"claims/{key}"), wait=False)):
                stack.close()
                return False
            self._claims[key] = worker, stack
            return True

    def release(self, key: str, worker: str) -> None:
        """Let go of a piece of a worker; another one may have it by now."""
        with self._claiming:
            if key in self._claims and self._claims[key][0] == worker:
                self._claims.pop(key)[1].close()

    def forget(self, worker: str) -> None:
        """Let go of all pieces of a worker that has gone, and of files of which it has not sent the rest.

        A claim that it asked for before, and that is not answered yet, is not made any more.
        """
        with self._claiming:
            self._gone.add(worker)
            for key in [key for key, (who, _) in self._claims.items() if who == worker]:
                self._claims.pop(key)[1].close()
        with self._settling:  # what is being put in its place stays there until that is done
            for transfer in [*self._arrivals]:
                if _worker(transfer) == worker:
                    self.drop(transfer)


def _worker(transfer: str) -> str:
    """Return the name of the worker that a transfer is from."""
    return transfer.partition("/")[0]
