"""The workers of a dry run: machines, processes on them, and the time that all of them would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.workers.makespan import makespan
from adapter_workbench.experiments.terminal.output import stdout, table

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.workers.machine import Machine


@dataclass(frozen=True)
class PlannedWorkers:
    """The processes that would do the pieces."""

    jobs: int = 1  # how many on each machine
    machines: Sequence[Machine] = ()  # of a cluster; empty without one

    @property
    def processes(self) -> int:
        """How many there are in all."""
        return self.jobs * max(1, len(self.machines))

    def makespan(self, pending: Sequence[Piece], seconds: Mapping[str, float | None]) -> float | None:
        """Return how long all of them take for pieces whose seconds stand under their keys; None where one's do not."""
        by_key = {key: value for key, value in seconds.items() if value is not None}
        if len(by_key) < len(pending):
            return None
        return round(makespan(pending, self.processes, lambda piece: by_key[piece.key]), 1)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the entry ``machines`` of ``--dry-run --json``."""
        return [
            {
                "address": machine.address,
                "cores": machine.cores,
                "devices": machine.devices,
                "memory_mb": None if machine.memory_mb is None else round(machine.memory_mb, 1),
                "processes": self.jobs,
            }
            for machine in self.machines
        ]

    def show(self) -> None:
        """Print a line for each machine; nothing where this one works alone."""
        if self.machines:
            heads = ["machine", "cores", "devices", "memory MB", "processes"]
            stdout.print()
            table(heads, [[*machine.values()] for machine in self.as_json()])
