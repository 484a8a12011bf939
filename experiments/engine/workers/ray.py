"""Several processes do the pieces: Ray starts them, hands over what they say, and tells when one has died.

This process hands out pieces, hears how they go and what is done, and computes nothing. A piece is claimed in the
workspace by whoever does it, as in any run. Not to be confused with :mod:`workbench.machine.processes`, where several
processes share each single fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from experiments.engine.workers.away.crew import Away
from experiments.engine.workers.crew import Crew
from experiments.engine.workers.hand import Hand, compute_with
from experiments.engine.workers.relay import pause_of
from experiments.engine.workers.room import memory_of, require_room
from experiments.engine.workers.schedule import Schedule
from experiments.engine.workers.signal_handlers import exits_kept, handlers_kept
from experiments.engine.workers.slot import Slot, taking_part, used
from experiments.workspace import Workspace

if TYPE_CHECKING:
    from experiments.engine.study import Piece
    from workbench.machine.listener import Listener


class RayWorkers:
    """Processes that Ray has started."""

    def __init__(
        self,
        begin: Callable[[Path], AbstractContextManager[Sequence[Slot]]],
        ready: Callable[[int], None] = compute_with,
    ) -> None:
        """Work wherever there is room.

        Args:
            begin: begins Ray for a workspace, yields the room that there is, and ends Ray.
            ready: is called in each process, with its number of threads, before its first piece.
        """
        self._begin, self._ready = begin, ready
        self.machines: tuple[str, ...] = ()

    def do(
        self, pieces: Sequence[Piece], workspace: Workspace, listener: Listener, done: Callable[[Piece], None]
    ) -> None:
        """Do the pieces as :meth:`experiments.engine.workers.Workers.do`, the longest chain of them first.

        A failure is reported at once. Pieces that do not need the failed one are done; then the run raises it.
        """
        to_do = [piece for piece in pieces if not piece.is_done(workspace)]
        if not to_do:
            return
        try:
            with exits_kept(), self._begin(workspace.root) as slots:
                if address := dashboard():
                    listener.say(f"Ray's dashboard: http://{address}")
                require_room(to_do, [slot.memory_mb for slot in slots])
                schedule = Schedule(to_do, memory_of)
                slots = used(slots, len(schedule))
                self.machines = taking_part(slots)
                handed, own = ray.put(list(pieces)), Workspace(workspace.root)
                away, pause = Away(pieces, workspace.root, listener), pause_of(len(slots))

                def hire(slot: Slot) -> Any:
                    ready = partial(self._ready, slot.threads)
                    if not slot.sees:
                        return away.hire(slot, ready, pause)
                    return ray.remote(Hand).options(**slot.options).remote(handed, own, Path.cwd(), ready, pause)

                def dismiss(slot: Slot, hand: Any) -> None:
                    ray.kill(hand)
                    if not slot.sees:
                        away.forget(slot, hand)

                crew = Crew(schedule, listener, done, hire, dismiss)
                try:
                    crew.work(slots)
                finally:
                    crew.leave()
                    away.leave()
        finally:
            workspace.sweep()  # what killed processes have left half-written


def dashboard() -> str:
    """Return the address of the page that Ray shows of its cluster; empty where it has none."""
    with handlers_kept():
        return ray.init(ignore_reinit_error=True, logging_level="ERROR").dashboard_url or ""
