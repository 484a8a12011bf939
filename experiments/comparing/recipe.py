"""A comparison of methods as a file: which tasks, which methods, how many learning rates each may try."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from workbench.settings import Budget, Settings, unique


class ComparisonRecipe(Settings):
    """One file in ``experiments/recipes``, or anywhere; it has ``methods`` where a stream's has ``strategies``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    backbone: str
    tasks: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    budget: Budget = Budget()
    methods: dict[str, dict[str, Any]] = Field(
        min_length=1, description="label → the method's settings, and 'method' where the label is not its name"
    )
    reference: str | None = Field(None, description="label that differences are taken from; the first if null")
    tune: int = Field(0, ge=0, description="learning rates that each method tries on each task, by validation")

    _unique = field_validator("tasks", "seeds")(unique)
