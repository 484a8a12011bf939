"""Starts worker processes on machines that do not see the workspace of a run, and deletes what they leave there."""

from __future__ import annotations

import secrets
import tempfile
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from adapter_workbench.experiments.engine.workers.failure import KEPT, last_line
from adapter_workbench.experiments.engine.workers.process_folder import delete_abandoned
from adapter_workbench.experiments.engine.workers.remote.packed_pieces import PackedPieces
from adapter_workbench.experiments.engine.workers.remote.remote_worker_actor import PREFIX, RemoteWorkerActor
from adapter_workbench.experiments.engine.workers.remote.workspace_client import WorkspaceClient
from adapter_workbench.experiments.engine.workers.remote.workspace_server import WorkspaceServer
from adapter_workbench.workbench.errors import WorkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.experiments.engine.piece import Piece
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
