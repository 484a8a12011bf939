"""A comparison of compositions as a file: which sources, which targets, how many examples, which methods."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from workbench.settings import Budget, Settings, unique


class Sources(Settings):
    """The adapters that are composed: each method on each task, trained with each seed of the recipe."""

    tasks: tuple[str, ...] = Field(min_length=2)
    methods: dict[str, dict[str, Any]] = Field(min_length=1, description="fine-tuning method → its settings")
    budget: Budget = Budget()


class FusionRecipe(Settings):
    """One file in ``experiments/recipes``, or anywhere; it has ``targets`` where a stream's recipe has ``tasks``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    backbone: str
    sources: Sources
    targets: tuple[str, ...] = Field(min_length=1)
    shots: tuple[int, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    budget: Budget = Budget()
    fresh: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="fine-tuning method → what its few-shot fits from nothing have otherwise"
    )
    compositions: dict[str, dict[str, Any]] = Field(min_length=1, description="label → method and its settings")

    _unique = field_validator("targets", "shots", "seeds")(unique)

    @field_validator("budget")
    @classmethod
    def _open(cls, budget: Budget) -> Budget:
        stated = [name for name in ("train_examples", "validation_examples") if name in budget.model_fields_set]
        if stated:
            raise ValueError(f"{' and '.join(stated)} are given by 'shots'")
        return budget
