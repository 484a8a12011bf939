"""Room for one process."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    """Return the slots that so many pieces can be done on at once.

    First comes one slot of each machine, that with the most memory before the others, then the second of each.
    """
    largest_first = sorted(slots, key=lambda slot: slot.memory_mb, reverse=True)
    return [largest_first[index] for index in spread(largest_first, {})][:pieces]


def spread(slots: Sequence[Slot], busy: Mapping[str, int]) -> list[int]:
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


def share(devices: int, processes: int) -> float:
    """Return which share of a device each process of a machine gets, so that all of them find room; 0 without any."""
    return 1 / -(-processes // devices) if devices else 0
