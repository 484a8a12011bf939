"""A worker process on a machine that does not see the workspace: it has a workspace of its own."""

from __future__ import annotations

import secrets
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from adapter_workbench.experiments.engine.workers.failure import Failure
from adapter_workbench.experiments.engine.workers.process_folder import delete_abandoned, process_folder
from adapter_workbench.experiments.engine.workers.progress_messages import ProgressBatch
from adapter_workbench.experiments.engine.workers.remote.backbone_files import fetch_backbone
from adapter_workbench.experiments.engine.workers.remote.file_parts import inside, parts
from adapter_workbench.experiments.engine.workers.remote.incoming_files import IncomingFiles
from adapter_workbench.experiments.engine.workers.remote.workspace_changes import NOT_SENT, SharedFiles
from adapter_workbench.experiments.engine.workers.remote.workspace_client import WorkspaceClient
from adapter_workbench.experiments.engine.workers.worker_actor import WorkerActor
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.experiments.workspace.access import Access
from adapter_workbench.experiments.workspace.pace import Pace
from adapter_workbench.workbench.files import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter_workbench.experiments.engine.workers.remote.file_parts import Part
    from adapter_workbench.experiments.engine.workers.remote.packed_pieces import PackedPieces
    from adapter_workbench.experiments.engine.workers.remote.workspace_changes import Changes

PREFIX = "workbench-remote-"  # of temporary folders
PAUSE = 0.5  # seconds between two attempts to claim a piece
TRIES = 3  # to fetch files that somebody deletes meanwhile


class RemoteWorkerActor:
    """An actor: Ray calls its methods, one at a time."""

    def __init__(
        self,
        packed: PackedPieces,
        server: Any,
        name: str,
        folder: Path,
        ready: Callable[[], None],
        pause: float,
        made_by: str | None = None,
    ) -> None:
        """Get ready to do any of the pieces.

        Args:
            packed: all pieces of the run.
            server: the actor that answers for the workspace of the run.
            name: of this process; it begins with the run's name, and the name of its temporary folder begins with it.
            folder: where the run was started.
            ready: is called before the first piece.
            pause: seconds between two batches of progress messages.
            made_by: what makes the adapters that pieces leave.
        """
        temporary = Path(tempfile.gettempdir())
        delete_abandoned(temporary, PREFIX)
        self._open_folders = ExitStack()  # those of a killed process are deleted by the next one
        root = self._open_folders.enter_context(process_folder(temporary, f"{PREFIX}{name}-")) / "workspace"
        self._name, self._server = name, WorkspaceClient(server)
        self._sync = FileSync(self._server, root, name)
        backbones = [fetch_backbone(backbone, number, self._server) for number, backbone in enumerate(packed.backbones)]
        workspace = Workspace(root, Access(fetch=self._sync.fetch), made_by=made_by)
        self._actor = WorkerActor(packed.unpack(backbones), workspace, folder, ready, pause)

    def is_ready(self) -> bool:
        """Return True, as :meth:`.WorkerActor.is_ready`."""
        return True

    def work(self, key: str) -> Iterator[ProgressBatch]:
        """Do a piece as :meth:`.WorkerActor.work`: claim it in the workspace of the run, and send its results there."""
        while not self._server.claim(key, self._name):
            time.sleep(PAUSE)
        try:
            self._sync.begin()
            for batch in self._actor.work(key):
                if not batch.over:
                    yield batch
            last = replace(batch, failure=batch.failure or self._failure_of_sending())
        finally:
            self._server.release(key, self._name)
        yield last  # whoever receives it may end this process, and have the piece done by another one

    def _failure_of_sending(self) -> Failure | None:
        """Send what a piece has changed; return why that failed, if it did. A full disk is then the other machine's."""
        try:
            self._sync.send()
        except Exception as error:
            return replace(Failure.of(error), full=False)
        return None


# Copies what pieces read to this machine, and what they change back to the workspace of the run.


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
