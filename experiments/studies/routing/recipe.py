"""A comparison of routers as a file: which tasks have an adapter of their own, which routers choose among those."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from adapter_workbench.experiments.engine.recipes import ExperimentRecipe, Labelled
from adapter_workbench.workbench.settings.base import Budget, unique
from adapter_workbench.workbench.settings.bounds import Label


class Recipe(ExperimentRecipe):
    """One file in ``experiments/recipes``, or anywhere; it has ``routers`` where a stream's has ``strategies``."""

    tasks: tuple[str, ...] = Field(
        min_length=2, max_length=1000, description="classifications, of single texts or all of pairs"
    )
    budget: Budget = Field(Budget(), description="of each adapter; joint training has the examples of all tasks")
    sources: dict[str, Any] = Field(
        {"method": "lora"}, description="'method' and its settings: each task's own adapter", max_length=200
    )
    routers: Labelled = Field(
        description="label → the router's settings, and 'router' if the label is not the router's name"
    )
    joint: Annotated[dict[Label, dict[str, Any]], Field(max_length=200)] = Field(
        {}, description="label → 'method' and its settings: one model that learns all tasks together"
    )
    reference: str | None = Field(
        None, description="label of the reference of all differences; if null the first of joint, else of routers"
    )

    _unique = field_validator("tasks")(unique)
