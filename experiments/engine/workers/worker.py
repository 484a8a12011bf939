"""A worker process, as the run sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.piece_progress import MachineLoad
from adapter_workbench.experiments.engine.workers.progress_messages import ProgressReplay
from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.piece import Piece


@dataclass
class Worker:
    """A process, and the piece that it does.

    Attributes:
        slot: where it runs.
        progress: repeats the process's messages to the listener of the run.
        actor: Ray's handle of the process.
        starting: what Ray tells when the process has started; None from then on.
        last: key of the piece that it did last, whose model it may have in memory.
        piece: what it does; None while it waits.
        stream: the batches of progress messages of that piece.
        not_started: how many processes could not start in this slot since the last piece that was done there.
    """

    slot: WorkerSlot
    progress: ProgressReplay
    actor: Any = None
    starting: Any = None
    last: str = ""
    piece: Piece | None = None
    stream: Any = None
    not_started: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether it has started, and waits for a piece."""
        return self.starting is None and self.piece is None


def machine_loads(workers: Sequence[Worker]) -> list[MachineLoad]:
    """Return how busy each machine of a cluster is; nothing where this one works alone."""
    processes = Counter(worker.slot.address for worker in workers if worker.slot.machine)
    busy = Counter(worker.slot.address for worker in workers if worker.piece)
    return [MachineLoad(address, busy[address], count) for address, count in processes.items()]
