"""Several processes do the pieces: Ray starts them, passes their progress on, and reports when one has died.

This process hands out pieces, receives their progress, and computes nothing. A piece is claimed in the workspace by
whoever does it, as in any run. Not to be confused with :mod:`.processes`, where several processes
share each single fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from adapter_workbench.experiments.engine.workers.dispatcher import Dispatcher
from adapter_workbench.experiments.engine.workers.memory_budget import memory_of, require_memory
from adapter_workbench.experiments.engine.workers.progress_messages import pause_of
from adapter_workbench.experiments.engine.workers.remote.remote_workers import RemoteWorkers
from adapter_workbench.experiments.engine.workers.schedule import Schedule
from adapter_workbench.experiments.engine.workers.signal_handlers import keep_exits, keep_handlers
from adapter_workbench.experiments.engine.workers.worker_actor import WorkerActor, compute_with
from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot, machine_names, slots_to_use
from adapter_workbench.experiments.workspace import Workspace

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.workbench.machine.listener import Listener


class RayWorkers:
    """Processes that Ray has started."""

    def __init__(
        self,
        begin: Callable[[Path], AbstractContextManager[Sequence[WorkerSlot]]],
        ready: Callable[[int], None] = compute_with,
        jobs: int = 1,
    ) -> None:
        """Work in the slots that ``begin`` yields.

        Args:
            begin: begins Ray for a workspace, yields the slots that there are, and ends Ray.
            ready: is called in each process, with its number of threads, before its first piece.
            jobs: how many slots a machine has.
        """
        self._begin, self._ready, self.jobs = begin, ready, jobs
        self.machines: tuple[str, ...] = ()

    def do(
        self, pieces: Sequence[Piece], workspace: Workspace, listener: Listener, on_done: Callable[[Piece], None]
    ) -> None:
        """Do the pieces as :meth:`Workers.do`, the longest chain of them first.

        A failure is reported at once. Pieces that do not need the failed one are done; then the run raises it.
        """
        pending = [piece for piece in pieces if not piece.is_done(workspace)]
        if not pending:
            return
        try:
            with keep_exits(), self._begin(workspace.root) as slots:
                if address := dashboard():
                    listener.say(f"Ray's dashboard: http://{address}")
                require_memory(pending, [slot.memory_mb for slot in slots])
                schedule = Schedule(pending, memory_of)
                slots = slots_to_use(slots, len(schedule))
                self.machines = machine_names(slots)
                shared_pieces, run_workspace = (
                    ray.put(list(pieces)),
                    Workspace(workspace.root, made_by=workspace.made_by),
                )
                remote = RemoteWorkers(pieces, workspace.root, listener, workspace.made_by)
                pause = pause_of(len(slots))

                def start(slot: WorkerSlot) -> Any:
                    ready = partial(self._ready, slot.threads)
                    if not slot.sees_workspace:
                        return remote.start(slot, ready, pause)
                    actor = ray.remote(WorkerActor).options(**slot.options)
                    return actor.remote(shared_pieces, run_workspace, Path.cwd(), ready, pause)

                def stop(slot: WorkerSlot, actor: Any) -> None:
                    ray.kill(actor)
                    if not slot.sees_workspace:
                        remote.clean_up(slot, actor)

                dispatcher = Dispatcher(schedule, listener, on_done, start, stop)
                try:
                    dispatcher.run(slots)
                finally:
                    dispatcher.kill_all()
                    remote.clean_up_all()
        finally:
            workspace.sweep()  # what killed processes have left half-written


def dashboard() -> str:
    """Return the address of the page that Ray shows of its cluster; empty where it has none."""
    with keep_handlers():
        return ray.init(ignore_reinit_error=True, logging_level="ERROR").dashboard_url or ""
