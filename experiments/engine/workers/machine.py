"""A machine of a cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.machine.memory import MB


@dataclass(frozen=True)
class Machine:
    """What a machine lends to a run.

    Attributes:
        id: Ray's.
        address: for people.
        cores: of its processors.
        devices: how many accelerators it has.
        memory_mb: what it has for processes, by what Ray was started with; None where nobody knows.
    """

    id: str
    address: str
    cores: float
    devices: int
    memory_mb: float | None

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> Machine:
        """Return the machine that Ray describes so."""
        has = node["Resources"]
        memory = has["memory"] / MB if "memory" in has else None
        return cls(node["NodeID"], node["NodeManagerAddress"], has["CPU"], int(has.get("GPU", 0)), memory)

    @property
    def room_mb(self) -> float:
        """What all pieces on it may take together; infinite where nobody knows, as on devices with their own memory."""
        return math.inf if self.devices or self.memory_mb is None else self.memory_mb
