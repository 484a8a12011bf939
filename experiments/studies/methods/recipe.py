"""A comparison of methods as a file: which tasks, which methods, how many learning rates each may try."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from adapter_workbench.experiments.engine.recipes import ExperimentRecipe, Labelled, Names
from adapter_workbench.workbench.settings.base import unique


class Recipe(ExperimentRecipe):
    """One file in ``experiments/recipes``, or anywhere; it has ``methods`` where a stream's has ``strategies``."""

    fits_tasks_apart: ClassVar[bool] = True

    tasks: Names
    methods: Labelled = Field(
        description="label → the method's settings, and 'method' if the label is not the method's name"
    )
    reference: str | None = Field(None, description="label of the reference of all differences; the first if null")
    tune: int = Field(
        0, ge=0, le=1000, description="learning rates that each method tries on each task; validation picks one"
    )

    _unique = field_validator("tasks")(unique)
