"""Room for one process."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Slot:
    """Room for one process on a machine, for as long as that is there.

    Attributes:
        threads: that it computes with.
        options: what Ray is asked for: cores, share of a device, machine.
        machine: Ray's id of the machine in a cluster; empty where it is this one.
        address: of the machine, for people.
        memory_mb: that all processes of the machine may take together; infinite where nobody knows, as on devices.
        sees: whether the machine sees the workspace of the run.
    """

    threads: int
    options: Mapping[str, Any]
    machine: str = ""
    address: str = ""
    memory_mb: float = math.inf
    sees: bool = True


def taking_part(slots: Iterable[Slot]) -> tuple[str, ...]:
    """Return for people which machines the slots are on, each with its number of processes; empty without a cluster."""
    counts = Counter((slot.address, "" if slot.sees else ", own disk") for slot in slots if slot.machine)
    return tuple(f"{address} ({count} process{'es' * (count > 1)}{disk})" for (address, disk), count in counts.items())


def used(slots: Iterable[Slot], pieces: int) -> list[Slot]:
    """Return the slots that so many pieces can be done on at once: those whose machines have the most memory."""
    return sorted(slots, key=lambda slot: slot.memory_mb, reverse=True)[:pieces]


def share(devices: int, processes: int) -> float:
    """Return which share of a device each process of a machine gets, so that all of them find room; 0 without any."""
    return 1 / -(-processes // devices) if devices else 0
