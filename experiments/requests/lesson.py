"""What `workbench train`, `workbench add` and ``Workbench.lesson`` are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from adapter_workbench.experiments.requests.request import Request
from adapter_workbench.workbench.settings.bounds import Seed

BACKBONE = "minilm"  # where none is named


@dataclass(frozen=True)
class LessonRequest(Request):
    """Which task is to be learned, and with what."""

    task: Annotated[str, Field(description="Name of a task; see `workbench tasks list`.")]
    method: Annotated[str, Field(description="Name of a method; see `workbench methods list`.")] = "lora"
    backbone: Annotated[str, Field(description="Registered name, hub id or folder.")] = BACKBONE
    seed: Annotated[Seed, Field(description="Seed of every random choice.")] = 0
    assignments: Sequence[str] = ()  # settings of the method, and ``budget.…``, as key=value
