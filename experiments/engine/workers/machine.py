"""A machine of a cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapter_workbench.workbench.machine.memory import MB


@dataclass(frozen=True)
class Machine:
    """What a machine lends to a run."""

    id: str  # Ray's
    address: str  # for people
    cores: float  # of its processors
    devices: int  # how many accelerators it has
    memory_mb: float | None  # what it has for processes, by what Ray was started with; None where nobody knows

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> Machine:
        """Return the machine that Ray describes so."""
        resources = node["Resources"]
        memory = resources["memory"] / MB if "memory" in resources else None
        return cls(node["NodeID"], node["NodeManagerAddress"], resources["CPU"], int(resources.get("GPU", 0)), memory)

    @property
    def available_mb(self) -> float:
        """Memory for all pieces on it together; infinite where nobody knows, as on devices with their own memory."""
        return math.inf if self.devices or self.memory_mb is None else self.memory_mb
