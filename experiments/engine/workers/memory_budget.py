"""Whether pieces fit in memory: what their training takes by forecast, and what machines have."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.memory import MB, installed_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot

NAMED = 3  # pieces that a message names


def memory_of(piece: Piece) -> float:
    """Return the peak memory of a piece's training in MB, model included; 0 where nobody knows."""
    return piece.effort.forecast().memory_mb or 0.0


def memory_here() -> float:
    """Return the memory of this machine in MB; infinite where nobody knows."""
    memory = installed_bytes()
    return math.inf if memory is None else memory / MB


def remaining_memory(machine: float, running: Collection[float], largest: float) -> float:
    """Return how much memory the next piece on a machine may take, in MB.

    A machine as large as any other may do every piece if it does nothing else, so that a run never stops: forecasts are
    not measurements, and larger machines may have gone.

    Args:
        machine: its memory.
        running: what each piece that is being done there takes.
        largest: the memory of the largest machine.
    """
    return math.inf if not running and machine >= largest else machine - sum(running)


class MemoryBudget:
    """The memory that remains on each machine while pieces are handed out."""

    def __init__(self, slots: Iterable[WorkerSlot]) -> None:
        """Begin with the machines that ``slots`` are on, none of which does anything."""
        self._largest = max((slot.memory_mb for slot in slots), default=math.inf)
        self._running: dict[str, list[float]] = defaultdict(list)  # machine → MB of each of its pieces

    @property
    def busy(self) -> Mapping[str, int]:
        """Machine → how many pieces it does."""
        return {machine: len(pieces) for machine, pieces in self._running.items()}

    def take(self, slot: WorkerSlot, memory: float) -> None:
        """Note that a piece is done on the machine of a slot, and takes so many MB."""
        self._running[slot.machine].append(memory)

    def remaining(self, slot: WorkerSlot) -> float:
        """Return how many MB the next piece on the machine of a slot may take, as :func:`remaining_memory`."""
        return remaining_memory(slot.memory_mb, self._running[slot.machine], self._largest)


def require_memory(pieces: Iterable[Piece], machines: Collection[float]) -> None:
    """Make sure that every piece fits on at least one of the machines if it is alone there.

    Args:
        pieces: that have to be done.
        machines: the memory of each, in MB.

    Raises:
        InputError: some fit on none of them; the message names them.
    """
    largest = max(machines, default=math.inf)
    too_large = {piece.label: memory for piece in pieces if (memory := memory_of(piece)) > largest}
    if not too_large:
        return
    named = [f"{label} takes {memory:,.0f} MB" for label, memory in [*too_large.items()][:NAMED]]
    further = [f"and {len(too_large) - NAMED} more"] if len(too_large) > NAMED else []
    message = f"no machine has enough memory: {', '.join([*named, *further])}; the largest has {largest:,.0f} MB"
    hint = "Lower budget.batch_size or budget.max_length, or set budget.checkpointing=on; --dry-run lists the memory."
    raise InputError(message, hint=hint)
