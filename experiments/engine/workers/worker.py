"""A process of Ray's, as the run knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.engine.standing import Staff
from experiments.engine.workers.relay import Fits
from experiments.engine.workers.slot import Slot

if TYPE_CHECKING:
    from experiments.engine.study import Piece


@dataclass
class Worker:
    """A process, and the piece that it does.

    Attributes:
        slot: where it runs.
        hand: the actor.
        fits: as the listener of the run hears of them.
        last: key of the piece that it did last, whose model it may have in memory.
        piece: what it does; None where it waits.
        stream: what it says while it does that.
        not_started: how many processes could not start in this slot since the last piece that was done there.
    """

    slot: Slot
    hand: Any
    fits: Fits
    last: str = ""
    piece: Piece | None = None
    stream: Any = None
    not_started: int = 0


def staff_of(workers: Sequence[Worker]) -> list[Staff]:
    """Return how busy each machine of a cluster is; nothing where this one works alone."""
    processes = Counter(worker.slot.address for worker in workers if worker.slot.machine)
    busy = Counter(worker.slot.address for worker in workers if worker.piece)
    return [Staff(address, busy[address], count) for address, count in processes.items()]
