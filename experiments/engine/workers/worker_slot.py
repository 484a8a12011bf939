"""A place for one worker process on a machine."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WorkerSlot:
    """Cores, memory and share of a device for one process, for as long as its machine is there."""

    threads: int  # that it computes with
    options: Mapping[str, Any]  # what Ray is asked for: cores, share of a device, machine
    machine: str = ""  # Ray's id of the machine in a cluster; empty where it is this one
    address: str = ""  # of the machine, for people
    # that all processes of the machine may take together; infinite where nobody knows, as on devices
    memory_mb: float = math.inf
    sees_workspace: bool = True  # whether the machine sees the workspace of the run


def machine_names(slots: Iterable[WorkerSlot]) -> tuple[str, ...]:
    """Return the machines of slots for people, each with its number of processes; empty without a cluster."""
    counts = Counter((slot.address, "" if slot.sees_workspace else ", own disk") for slot in slots if slot.machine)
    return tuple(f"{address} ({count} process{'es' * (count > 1)}{disk})" for (address, disk), count in counts.items())


def slots_to_use(slots: Iterable[WorkerSlot], pieces: int) -> list[WorkerSlot]:
    """Return the slots for so many pieces at once: at most one slot a piece.

    First comes one slot of each machine, the machine with the most memory first, then the second of each.
    """
    largest_first = sorted(slots, key=lambda slot: slot.memory_mb, reverse=True)
    return [largest_first[index] for index in hand_out_order(largest_first, {})][:pieces]


def hand_out_order(slots: Sequence[WorkerSlot], busy: Mapping[str, int]) -> list[int]:
    """Return the indices of slots in the order in which they get pieces: the machine that does the fewest comes first.

    Args:
        slots: all of which wait for a piece; of machines that do equally many, the first slot comes first.
        busy: machine → how many pieces it does already.
    """
    at_work, ranks = Counter(busy), list[int]()
    for slot in slots:
        ranks.append(at_work[slot.machine])
        at_work[slot.machine] += 1
    return sorted(range(len(slots)), key=ranks.__getitem__)


def device_share(devices: int, processes: int) -> float:
    """Return which share of a device each process of a machine gets, so that all of them fit; 0 without any."""
    return 1 / -(-processes // devices) if devices else 0
