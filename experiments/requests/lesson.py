"""What `workbench train`, `workbench add` and ``Workbench.lesson`` are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from adapter_workbench.experiments.requests.fields import Assignments, Backbone, Method, Task
from adapter_workbench.experiments.requests.request import Request
from adapter_workbench.workbench.settings.bounds import Seed

BACKBONE = "minilm"  # where none is named


@dataclass(frozen=True)
class LessonRequest(Request):
    """Which task is to be learned, and with what."""

    task: Task
    method: Method = "lora"
    backbone: Backbone = BACKBONE
    seed: Annotated[Seed, Field(description="Seed of every random choice.")] = 0
    assignments: Assignments = ()  # settings of the method, and ``budget.…``, as key=value
