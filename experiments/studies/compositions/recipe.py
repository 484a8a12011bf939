"""A comparison of compositions as a file: which sources, which targets, how many examples, which methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from adapter_workbench.experiments.engine.recipes import ExperimentRecipe, Labelled, Names
from adapter_workbench.experiments.studies.core.against import ComparedWith
from adapter_workbench.fusion.target.composition import HeadStart
from adapter_workbench.workbench.settings.base import Budget, Key, Settings, unique
from adapter_workbench.workbench.settings.bounds import MOST_EXAMPLES

GIVEN_BY_SHOTS = ("train_examples", "validation_examples")  # fields of a budget
EXAMPLES_SEEN, FEWEST_EPOCHS, MOST_EPOCHS = 640, 3, 20

Shots = Annotated[int, Field(ge=0, le=MOST_EXAMPLES)]
ByMethod = Annotated[dict[str, dict[str, Any]], Field(max_length=200)]


class Sources(Settings):
    """The adapters that are composed: each method on each task, trained with each seed of the recipe."""

    tasks: tuple[str, ...] = Field(min_length=2, max_length=1000)
    methods: ByMethod = Field(min_length=1, description="fine-tuning method → its settings")
    budget: Budget = Budget()

    _unique = field_validator("tasks")(unique)


class Controls(Settings):
    """What compositions are compared with beside what needs no source: sources without skill, and mixed data."""

    random: tuple[str, ...] | None = Field(
        None,
        description="labels of compositions that are also made of adapters with random weights of the sources' norms; "
        "null: of the first that trains",
    )
    shuffled: tuple[str, ...] | None = Field(
        None,
        description="labels of compositions that are also made of sources that were trained on the same texts with "
        "shuffled answers; null: of the first that trains",
    )
    mixed: tuple[str, ...] | None = Field(
        None,
        description="fine-tuning methods of which one adapter is also trained on the rows of all sources' tasks mixed; "
        "null: all under sources.methods, where rows of these tasks can be mixed",
    )


class Composing(ComparedWith):
    """What an entry of ``compositions`` may say beside its method's settings."""

    sources: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="target → tasks of `sources` whose adapters it is made of there, in this order; all where a target "
        "is left out",
    )

    @field_validator("sources")
    @classmethod
    def _some_and_each_once(cls, sources: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for target, tasks in sources.items():
            if not tasks:
                raise ValueError(f"{target}: name at least one source, or leave the target out")
            unique(tasks)
        return sources


class Recipe(ExperimentRecipe):
    """One file in ``experiments/recipes``, or anywhere; it has ``targets`` where a stream's recipe has ``tasks``."""

    task_keys: ClassVar[tuple[Key, ...]] = (("sources", "tasks"), ("targets",))

    sources: Sources
    targets: Names
    shots: tuple[Shots, ...] = Field(
        min_length=1,
        max_length=100,
        description="numbers of examples of a target; 0 where answers are generated: what trains is left out then",
    )
    fresh: ByMethod = Field(
        default_factory=dict,
        description="fine-tuning method → settings that differ for its few-shot fits without sources",
    )
    heads: tuple[HeadStart, ...] = Field(
        ("fitted",),
        min_length=1,
        description="what the head of everything that is trained begins as: a logistic regression on the frozen "
        "features (fitted), or drawn from the seed (random); with both, everything is trained twice",
    )
    compositions: Labelled = Field(
        description="label → the composition's settings, and 'method' if the label is not the composition's name"
    )

    controls: Controls = Controls()

    _unique = field_validator("targets", "shots", "heads")(unique)

    @field_validator("shots")
    @classmethod
    def _none_first(cls, shots: tuple[int, ...]) -> tuple[int, ...]:
        return (*((0,) if 0 in shots else ()), *(examples for examples in shots if examples))

    @field_validator("budget")
    @classmethod
    def _open(cls, budget: Budget) -> Budget:
        stated = [name for name in GIVEN_BY_SHOTS if name in budget.model_fields_set]
        if stated:
            raise ValueError(f"{' and '.join(stated)} are given by 'shots'")
        return budget


def few_shot_budget(budget: dict[str, Any], shots: int) -> dict[str, Any]:
    """Return the settings of a budget for K = ``shots`` examples; what ``budget`` states itself stays.

    Few examples are seen more often: 640 ÷ K times, at least 3 and at most 20 times. That is 20 optimiser steps for
    K = 16, 40 for K = 64 and 48 for K = 256, in batches of 16. The budget itself refuses a K that is none; with
    K = 0 nothing is drawn, and what is left is the budget of the test.
    """
    if shots == 0:
        return {name: value for name, value in budget.items() if name not in GIVEN_BY_SHOTS}
    epochs = min(max(round(EXAMPLES_SEEN / max(shots, 1)), FEWEST_EPOCHS), MOST_EPOCHS)
    return {"epochs": epochs, **budget, "train_examples": shots, "validation_examples": shots}
