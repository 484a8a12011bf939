"""The processes of a run on machines that do not see its workspace: hired here, and cleaned up after."""

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

from experiments.engine.workers.away.desk import Desk
from experiments.engine.workers.away.hand import PREFIX, AwayHand
from experiments.engine.workers.away.packed import PackedPieces
from experiments.engine.workers.away.remote import RemoteDesk
from experiments.engine.workers.failure import KEPT, last_line
from experiments.engine.workers.own_folder import sweep
from workbench.errors import WorkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from experiments.engine.study import Piece
    from experiments.engine.workers.slot import Slot
    from workbench.machine.listener import Listener

AT_ONCE = 32  # questions that the desk answers at the same time
PATIENCE = 20.0  # seconds for deleting what processes had on their machines


class Away:
    """Hires processes for one run."""

    def __init__(self, pieces: Sequence[Piece], root: Path, listener: Listener) -> None:
        """Have ``pieces`` done for the workspace in ``root``; ``listener`` hears which machines do not see it."""
        self._pieces, self._root, self._listener = pieces, root, listener
        self._run = secrets.token_hex(4)
        self._slots: dict[str, Slot] = {}
        self._names: dict[Any, str] = {}  # of processes, by actor

    def hire(self, slot: Slot, ready: Callable[[], None], pause: float) -> Any:
        """Start a process where there is room for it, as :class:`..hand.Hand` takes ``ready`` and ``pause``."""
        if slot.machine not in self._slots:
            self._slots[slot.machine] = slot
            how = "what its pieces read is brought there, and what they leave comes back"
            self._listener.say(f"{slot.address} does not see the workspace: {how}.")
        name = f"{self._run}-{len(self._names)}"
        given = self._packed, self._desk, name, Path.cwd(), ready, pause
        hand = ray.remote(AwayHand).options(**slot.options).remote(*given)
        self._names[hand] = name
        return hand

    def forget(self, slot: Slot, hand: Any) -> None:
        """Delete what a process that has ended had on its machine, and release its piece; else the next would wait.

        Raises:
            WorkError: the process that answers for the workspace has died.
        """
        name = self._names[hand]
        ray.remote(_cleared).options(**_beside(slot)).remote(f"{PREFIX}{name}-")  # nobody waits for it
        try:
            RemoteDesk(self._desk).forget(name)
        except RayActorError as error:
            what = "the process that sends files to machines that do not see the workspace died"
            raise WorkError(f"{what}: {last_line(error)}", hint=KEPT) from error

    def leave(self) -> None:
        """Delete what the processes had on their machines, which are killed; a machine may have gone."""
        there = [_beside(slot) for slot in self._slots.values()]
        prefix = f"{PREFIX}{self._run}-"
        with suppress(RayError, GetTimeoutError):
            ray.get([ray.remote(_cleared).options(**options).remote(prefix) for options in there], timeout=PATIENCE)

    @cached_property
    def _packed(self) -> Any:
        return ray.put(PackedPieces.of(self._pieces))

    @cached_property
    def _desk(self) -> Any:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "max_concurrency": AT_ONCE, "scheduling_strategy": here}
        return ray.remote(Desk).options(**options).remote(self._root, self._packed)


def _beside(slot: Slot) -> dict[str, Any]:
    """Return what Ray is asked for to begin at once on the machine of a slot, however busy that is."""
    return {**slot.options, "num_cpus": 0, "num_gpus": 0}


def _cleared(prefix: str) -> None:
    """Delete the folders of processes that are about to end."""
    until = time.monotonic() + PATIENCE / 2
    while sweep(Path(tempfile.gettempdir()), prefix, new=-1.0) and time.monotonic() < until:
        time.sleep(0.1)
