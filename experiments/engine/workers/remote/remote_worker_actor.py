"""A worker process on a machine that does not see the workspace: it has a workspace of its own."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.workers.failure import Failure
from adapter_workbench.experiments.engine.workers.process_folder import delete_abandoned, process_folder
from adapter_workbench.experiments.engine.workers.progress_messages import ProgressBatch
from adapter_workbench.experiments.engine.workers.remote.backbone_files import fetch_backbone
from adapter_workbench.experiments.engine.workers.remote.file_sync import FileSync
from adapter_workbench.experiments.engine.workers.remote.workspace_client import WorkspaceClient
from adapter_workbench.experiments.engine.workers.worker_actor import WorkerActor
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.experiments.workspace.access import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter_workbench.experiments.engine.workers.remote.packed_pieces import PackedPieces

PREFIX = "workbench-remote-"  # of temporary folders
PAUSE = 0.5  # seconds between two attempts to claim a piece


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
