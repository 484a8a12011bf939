"""Starts worker processes on machines that do not see the workspace of a run, and deletes what they leave there."""

from __future__ import annotations

import secrets
import tempfile
import time
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from adapter_workbench.experiments.engine.workers.failure import KEPT, last_line
from adapter_workbench.experiments.engine.workers.process_folder import delete_abandoned
from adapter_workbench.experiments.engine.workers.remote.backbone_files import backbone_files
from adapter_workbench.experiments.engine.workers.remote.file_parts import inside, names, parts
from adapter_workbench.experiments.engine.workers.remote.incoming_files import IncomingFiles
from adapter_workbench.experiments.engine.workers.remote.packed_pieces import PackedPieces
from adapter_workbench.experiments.engine.workers.remote.remote_worker_actor import PREFIX, RemoteWorkerActor
from adapter_workbench.experiments.engine.workers.remote.workspace_client import WorkspaceClient
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.errors import WorkError
from adapter_workbench.workbench.files import atomic
from adapter_workbench.workbench.files.locks import hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.workers.remote.backbone_files import BackboneFiles
    from adapter_workbench.experiments.engine.workers.remote.file_parts import Part
    from adapter_workbench.experiments.engine.workers.remote.workspace_changes import Changes
    from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot
    from adapter_workbench.workbench.machine.listener import Listener

AT_ONCE = 32  # calls that the workspace server answers at the same time
PATIENCE = 20.0  # seconds for deleting the folders of processes on their machines


class RemoteWorkers:
    """The remote processes of one run."""

    def __init__(self, pieces: Sequence[Piece], root: Path, listener: Listener, made_by: str | None = None) -> None:
        """Do ``pieces`` for the workspace in ``root``; ``listener`` hears which machines do not see it.

        Adapters are ``made_by`` the run, see :mod:`adapter_workbench.experiments.workspace.origins`.
        """
        self._pieces, self._root, self._listener, self._made_by = pieces, root, listener, made_by
        self._run = secrets.token_hex(4)
        self._slots: dict[str, WorkerSlot] = {}
        self._names: dict[Any, str] = {}  # actor → name of its process

    def start(self, slot: WorkerSlot, ready: Callable[[], None], pause: float) -> Any:
        """Start a process in a slot and return its actor; ``ready`` and ``pause`` are as for :class:`..WorkerActor`."""
        if slot.machine not in self._slots:
            self._slots[slot.machine] = slot
            how = "what its pieces read is copied there, and what they write comes back"
            self._listener.say(f"{slot.address} does not see the workspace: {how}.")
        name = f"{self._run}-{len(self._names)}"
        arguments = self._packed_pieces, self._server, name, Path.cwd(), ready, pause, self._made_by
        actor = ray.remote(RemoteWorkerActor).options(**slot.options).remote(*arguments)
        self._names[actor] = name
        return actor

    def clean_up(self, slot: WorkerSlot, actor: Any) -> None:
        """Clean up after a dead process: delete its folder on its machine, and release its claim.

        Raises:
            WorkError: the process that answers for the workspace has died.
        """
        name = self._names[actor]
        ray.remote(_delete_folders).options(**_without_waiting(slot)).remote(f"{PREFIX}{name}-")  # nobody waits for it
        try:
            WorkspaceClient(self._server).remove_worker(name)
        except RayActorError as error:
            what = "the process that sends files to machines that do not see the workspace died"
            raise WorkError(f"{what}: {last_line(error)}", hint=KEPT) from error

    def clean_up_all(self) -> None:
        """Delete the folders of all processes, which were killed; a machine may have gone."""
        machines = [_without_waiting(slot) for slot in self._slots.values()]
        prefix = f"{PREFIX}{self._run}-"
        with suppress(RayError, GetTimeoutError):
            calls = [ray.remote(_delete_folders).options(**options).remote(prefix) for options in machines]
            ray.get(calls, timeout=PATIENCE)

    @cached_property
    def _packed_pieces(self) -> Any:
        return ray.put(PackedPieces.of(self._pieces))

    @cached_property
    def _server(self) -> Any:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "max_concurrency": AT_ONCE, "scheduling_strategy": here}
        return ray.remote(WorkspaceServer).options(**options).remote(self._root, self._packed_pieces)


def _without_waiting(slot: WorkerSlot) -> dict[str, Any]:
    """Return the options of a call that begins at once on the machine of a slot, however busy that is."""
    return {**slot.options, "num_cpus": 0, "num_gpus": 0}


def _delete_folders(prefix: str) -> None:
    """Delete the folders of processes that are about to end."""
    until = time.monotonic() + PATIENCE / 2
    while delete_abandoned(Path(tempfile.gettempdir()), prefix, new=-1.0) and time.monotonic() < until:
        time.sleep(0.1)


# Answers for the workspace of a run, for machines that do not see it: one process on the machine of the run.


class WorkspaceServer:
    """An actor: Ray calls its methods, several at a time."""

    def __init__(self, root: Path, packed: PackedPieces) -> None:
        """Answer for the workspace in ``root``, and send the backbones of the pieces, by their numbers."""
        self._root, self._models = root, [backbone_files(backbone) for backbone in packed.backbones]
        self._pace = Workspace(root).pace
        self._transfers: dict[str, tuple[ExitStack, IncomingFiles]] = {}
        self._claims: dict[str, tuple[str, ExitStack]] = {}
        self._dead: set[str] = set()
        self._applying, self._claiming = Lock(), Lock()

    def names(self, below: str) -> list[str]:
        """Return the names of all files at or below one in the workspace."""
        return names(self._root, below)

    def parts(self, names: Sequence[str]) -> Iterator[list[Part]]:
        """Yield the parts of files of the workspace."""
        yield from parts((name, inside(self._root, name)) for name in names)

    def backbone_files(self, number: int) -> BackboneFiles:
        """Return which files a backbone has."""
        return self._models[number]

    def backbone_parts(self, number: int) -> Iterator[list[Part]]:
        """Yield the files of a backbone."""
        yield from parts(self._models[number].paths.items())

    def take(self, transfer: str, parts: Sequence[Part]) -> None:
        """Take the next parts of the files that a piece has written; nobody sees them before :meth:`apply`.

        Args:
            transfer: identifies the files that are sent together; it begins with the worker's name and a slash.
            parts: the parts.

        Raises:
            WorkError: the worker was declared dead.
        """
        if _worker(transfer) in self._dead:
            worker = _worker(transfer)
            raise WorkError(f"worker {worker} was declared dead; its files are not taken", where=transfer)
        if transfer not in self._transfers:
            stack = ExitStack()
            folder = stack.enter_context(atomic.folder_beside(self._root / "arriving"))
            self._transfers[transfer] = stack, IncomingFiles(folder)
        try:
            self._transfers[transfer][1].take(parts)
        except BaseException:
            self.drop(transfer)
            raise

    def apply(self, transfer: str, changes: Changes, pace: str) -> None:
        """Apply the changes of a piece to the workspace if all of its files are here; else none of them.

        Args:
            transfer: with which the files were sent.
            changes: in their order.
            pace: lines that say how long the work took.
        """
        if changes.files and transfer not in self._transfers:
            self.take(transfer, [])
        try:
            with self._applying:
                if changes.files:
                    self._transfers[transfer][1].move_to(self._root, changes.files, changes.replacing)
                for name in changes.deleted:
                    atomic.remove_whole(inside(self._root, name))
        finally:
            self.drop(transfer)
        if pace:
            self._pace.add(pace)

    def drop(self, transfer: str) -> None:
        """Delete what was sent with a transfer and not applied."""
        if incoming := self._transfers.pop(transfer, None):
            incoming[0].close()

    def claim(self, key: str, worker: str) -> bool:
        """Claim a piece for a worker; return whether that worked. Nothing is claimed for a dead worker."""
        with self._claiming:
            if worker in self._dead:
                return False
            stack = ExitStack()
            if not stack.enter_context(hold(inside(self._root, f"claims/{key}"), wait=False)):
                stack.close()
                return False
            self._claims[key] = worker, stack
            return True

    def release(self, key: str, worker: str) -> None:
        """Release a worker's claim on a piece; another worker's claim stays."""
        with self._claiming:
            if key in self._claims and self._claims[key][0] == worker:
                self._claims.pop(key)[1].close()

    def remove_worker(self, worker: str) -> None:
        """Release the claims of a worker that has died, and delete what it has not sent completely.

        A claim that it has asked for, and that was not made yet, is not made any more.
        """
        with self._claiming:
            self._dead.add(worker)
            for key in [key for key, (owner, _) in self._claims.items() if owner == worker]:
                self._claims.pop(key)[1].close()
        with self._applying:  # what is being moved into the workspace now is finished first
            for transfer in [*self._transfers]:
                if _worker(transfer) == worker:
                    self.drop(transfer)


def _worker(transfer: str) -> str:
    """Return the name of the worker that a transfer is from."""
    return transfer.partition("/")[0]
