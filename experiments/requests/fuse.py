"""What `workbench fuse` and ``Workbench.fusion_plan`` are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from adapter_workbench.experiments.requests.fields import Assignments
from adapter_workbench.experiments.requests.request import Request
from adapter_workbench.workbench.settings.bounds import MOST_EXAMPLES, Seed


@dataclass(frozen=True)
class FuseRequest(Request):
    """What somebody asks to be fused."""

    target: Annotated[str, Field(description="The task for which the result is made.")]
    sources: Annotated[
        str, Field(description="Ids or tasks; or auto:K, the K adapters that a ranking puts first for TARGET.")
    ]
    method: Annotated[str, Field(description="A composition method; see `workbench compositions list`.")] = "average"
    shots: Annotated[
        int | None,
        Field(
            ge=0,
            le=MOST_EXAMPLES,
            description="Labelled examples of TARGET, and as many for validation; all if left out, and none with 0.",
        ),
    ] = None
    seed: Annotated[Seed, Field(description="Seed that draws the examples, and seed of every fit.")] = 0
    ranking: Annotated[str, Field(description="How auto:K ranks: logme, similarity or trial.")] = "logme"
    full: Annotated[bool, Field(description="Also compare the result with full fine-tuning.")] = True
    controls: Annotated[
        Sequence[str] | None,
        Field(
            description="Also compose sources without skill: random (weights of the same norms), shuffled (trained on "
            "shuffled answers), or none. If left out: random, where the method trains."
        ),
    ] = None
    backbone: Annotated[
        str | None,
        Field(description="Where the sources' backbone is now, if it has moved; for auto:K also which, if several."),
    ] = None
    assignments: Assignments = ()  # settings of the method, and ``budget.…``, as key=value
