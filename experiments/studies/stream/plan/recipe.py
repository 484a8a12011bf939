"""A stream as a file: which tasks, learned in which ways, with which budget."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from adapter_workbench.experiments.engine.recipes import ExperimentRecipe, Labelled, Names
from adapter_workbench.workbench.answering.harness.task_files import LONGEST_PATH
from adapter_workbench.workbench.settings.base import unique
from adapter_workbench.workbench.settings.bounds import Count, LearningRate, Share

Orders = Annotated[int, Field(ge=1, le=1000)]
PER_SEED: Literal["per-seed"] = "per-seed"


class Recipe(ExperimentRecipe):
    """One file in ``experiments/recipes``, or anywhere."""

    fits_tasks_apart: ClassVar[bool] = True  # those of isolated entries

    tasks: Annotated[tuple[str, ...], Field(max_length=1000)]
    harness: tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_PATH)], ...] = Field(
        (),
        alias="lm-eval",
        max_length=100,
        description="tasks, groups and tags of EleutherAI's harness by name, or paths of task files ('….yaml'): "
        "further tasks, for recipes with 'learned: before'",
    )
    orders: Orders | Literal["per-seed"] | Annotated[tuple[Names, ...], Field(min_length=1, max_length=1000)] = Field(
        1,
        description="how many orders are learned: that of 'tasks', and seeded permutations of it; or a list of further "
        "orders, each a list of all tasks; or per-seed: each seed learns one order, which is drawn by this seed",
    )
    scenario: str = Field("task-incremental", description="what is known when a task is answered")
    overlap: Share | None = Field(
        None, description="share of each task's training examples that other stages bring; for scenarios that blur"
    )
    strategies: Labelled
    learned: Literal["in-order", "before"] = Field(
        "in-order",
        description="from where a task counts. in-order: task j from stage j. before: all tasks from stage 0, the "
        "first checkpoint; for recipes whose strategies are all 'given', with any number of checkpoints",
    )
    tune: int = Field(
        0, ge=0, le=1000, description="learning rates that each entry tries on the first tasks; validation picks one"
    )
    frontier: Literal["tried"] | Names | dict[str, Annotated[tuple[LearningRate, ...], Field(max_length=100)]] = Field(
        default_factory=dict,
        description="entry of 'strategies' → further learning rates for this entry; with 'tune', a list of entries, "
        "each at all rates that it tried, or 'tried': every entry that can forget",
    )
    reference: str
    probes: tuple[str, ...] = Field((), max_length=100)
    probe_examples: int = Field(
        128,
        ge=8,
        le=1_000_000,
        description="examples of each task's training split, and of its validation split, for probes",
    )
    probe_text: str | None = Field(None, description="a task that is not in the stream; its texts are general text")
    probe_settings: dict[str, dict[str, Any]] = Field(
        default_factory=dict, max_length=100, description="probe → its settings, for probes that have some: lm-eval"
    )
    evaluate_every: Literal["auto"] | Count = Field(
        1, description="k: earlier tasks are tested after every k-th stage and after the last; auto: as tests allow"
    )
    keep_states: Literal["all", "last"] = "all"

    _unique = field_validator("tasks", "harness", "probes")(unique)

    @property
    def examined(self) -> bool:
        """Whether all tasks count from the first checkpoint on."""
        return self.learned == "before"
