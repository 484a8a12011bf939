"""Whether pieces find room: the memory that their training takes by forecast, and the memory of machines."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.machine.memory import MB, installed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from experiments.engine.study import Piece
    from experiments.engine.workers.slot import Slot

NAMED = 3  # pieces that a message names


def memory_of(piece: Piece) -> float:
    """Return what the training of a piece takes at its highest, in MB, model included; 0 where nobody knows."""
    return piece.effort.forecast().memory_mb or 0.0


def memory_here() -> float:
    """Return what this machine has for it, in MB; infinite where nobody knows."""
    memory = installed()
    return math.inf if memory is None else memory / MB


def room_left(machine: float, taken: Collection[float], largest: float) -> float:
    """Return how much the next piece on a machine may take, in MB.

    A machine as large as any takes every piece that it has for itself, so that something always goes on: forecasts are
    no measurements, and larger machines may have gone.

    Args:
        machine: its memory.
        taken: what each piece that is being done there takes.
        largest: the memory of the largest machine.
    """
    return math.inf if not taken and machine >= largest else machine - sum(taken)


class Rooms:
    """The room that is left on each machine while pieces are handed out."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        """Begin with the machines that ``slots`` are on, none of which does anything."""
        self._largest = max((slot.memory_mb for slot in slots), default=math.inf)
        self._taken: dict[str, list[float]] = defaultdict(list)

    @property
    def busy(self) -> Mapping[str, int]:
        """Machine → how many pieces it does."""
        return {machine: len(taken) for machine, taken in self._taken.items()}

    def take(self, slot: Slot, memory: float) -> None:
        """Note that a piece is done on the machine of a slot, and takes so many MB."""
        self._taken[slot.machine].append(memory)

    def left(self, slot: Slot) -> float:
        """Return how many MB the next piece on the machine of a slot may take, as :func:`room_left`."""
        return room_left(slot.memory_mb, self._taken[slot.machine], self._largest)


def require_room(pieces: Iterable[Piece], machines: Collection[float]) -> None:
    """Make sure that every piece fits on one of the machines at least, where it is the only one.

    Args:
        pieces: that are to be done.
        machines: the memory of each, in MB.

    Raises:
        InputError: some fit on none of them; the message names them.
    """
    largest = max(machines, default=math.inf)
    large = {piece.label: memory for piece in pieces if (memory := memory_of(piece)) > largest}
    if not large:
        return
    named = [f"{label} takes {memory:,.0f} MB" for label, memory in [*large.items()][:NAMED]]
    further = [f"and {len(large) - NAMED} more"] if len(large) > NAMED else []
    message = f"no machine has memory enough: {', '.join([*named, *further])}; the largest has {largest:,.0f} MB"
    hint = "Lower budget.batch_size or budget.max_length, or set budget.checkpointing=on; --dry-run lists the memory."
    raise InputError(message, hint=hint)
