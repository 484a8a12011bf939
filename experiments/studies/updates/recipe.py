"""A comparison of ways of updating as a file: which tasks, how their rows arrive, which ways."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from adapter_workbench.experiments.engine.recipes import ExperimentRecipe, Labelled, Names
from adapter_workbench.workbench.settings.base import unique


class Recipe(ExperimentRecipe):
    """One file in ``experiments/recipes``, or anywhere; it has ``updates`` where a stream's has ``strategies``."""

    fits_tasks_apart: ClassVar[bool] = True

    tasks: Names = Field(description="tasks; families of tasks where the members are the periods of one task")
    scenario: str = Field("growing", description="how rows arrive: growing, label by label; drifting, period by period")
    versions: int = Field(4, ge=2, le=100, description="of each task; all but the first are updates")
    updates: Labelled = Field(
        description="label → the way of updating with its settings, and the method with its settings"
    )
    reference: str | None = Field(None, description="label of the reference of all differences; the first if null")

    _unique = field_validator("tasks")(unique)
