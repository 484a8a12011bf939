"""What `workbench repair` and ``Workbench.repair`` are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from adapter_workbench.experiments.requests.fields import Assignments
from adapter_workbench.experiments.requests.request import Request


@dataclass(frozen=True)
class RepairRequest(Request):
    """What is to be repaired, and with what."""

    experiment: Annotated[str, Field(description="Name of a finished stream.")]
    repairs: Annotated[Sequence[str], Field(description="Repairs, see `workbench repairs list`; all if left out.")] = ()
    strategies: Annotated[
        Sequence[str],
        Field(
            description="Repair this entry of the recipe; may be given several times. All with shared weights if left "
            "out."
        ),
    ] = ()
    assignments: Assignments = ()  # settings, each below the name of its repair: ``refit-head.examples=64``
