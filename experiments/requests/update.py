"""What `workbench update` and ``Workbench.update_plan`` are asked for."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from pydantic import Field

from adapter_workbench.experiments.requests.fields import Assignments, Task
from adapter_workbench.experiments.requests.request import Request
from adapter_workbench.workbench.settings.bounds import Seed


@dataclass(frozen=True)
class UpdateRequest(Request):
    """Which task's adapter is to be updated, and how; all that is not set is the champion's."""

    task: Task
    how: Annotated[str | None, Field(description="Name of a way; see `workbench ways list`.")] = None
    seed: Annotated[Seed | None, Field(description="Seed of every random choice.")] = None
    assignments: Assignments = ()  # of the method; of the budget with ``budget.``, of the way with ``way.`` before
    _: KW_ONLY
    forget_rows: Annotated[bool, Field(description="Read no training row of the champion's version of the task.")] = (
        False
    )
