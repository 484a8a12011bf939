"""One task on its way into shared weights, and rows of several tasks as one task to learn from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.strategies._heads import head_name
from adapter_workbench.tasks.loading.union import pool_tasks, union
from adapter_workbench.workbench.methods.heads import Heads
from adapter_workbench.workbench.methods.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets import Dataset
    from torch import nn

    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task


@dataclass(frozen=True)
class Stage:
    """One task on its way into the shared weights."""

    state: State  # what was there before
    context: Context  # the stage's surroundings
    model: TaskModel  # the weights, first as they were, then as they become
    begun: dict[str, Any] = field(default_factory=dict, compare=False)  # what a remedy took before the first step

    @cached_property
    def task(self) -> Task:
        """The task to be learned, drawn and posed."""
        return draw(self.context.posed[-1], self.context.budget, self.context.seed)

    @property
    def earlier(self) -> tuple[Task, ...]:
        """The tasks learned before, drawn and posed; their training examples are not to be looked at."""
        return self.context.drawn[:-1]

    @cached_property
    def heads(self) -> dict[str, nn.Module]:
        """The heads that the model holds, by the name that they are stored under; the task's own comes last."""
        names = [head_name(self.context, task) for task in self.context.posed]
        if isinstance(self.model.head, Heads):
            return dict(zip(names, self.model.head.each, strict=True))
        return {names[-1]: self.model.head}

    @property
    def own_head(self) -> nn.Module:
        """The head of the stage's task."""
        return [*self.heads.values()][-1]

    def mixed(self, train: Mapping[str, Dataset], validation: Mapping[str, Dataset]) -> Task:
        """Return rows of several of the tasks learned so far as one task that the model's head, or heads, answer.

        Args:
            train: rows to learn from by task name.
            validation: rows to pick the epoch on, by task name.
        """
        by_split = {"train": train, "validation": validation}
        parts = [
            replace(
                task,
                splits={name: rows.get(task.name, task.splits[name].select([])) for name, rows in by_split.items()},
            )
            for task in self.context.drawn
        ]
        if isinstance(self.model.head, Heads):
            return union(parts, self.task.name, grouped=True)
        return pool_tasks(parts, self.task.name)
