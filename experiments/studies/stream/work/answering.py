"""One of the tasks learned so far, and the model that answers for it after a stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from adapter_workbench.experiments.strategies import STRATEGIES, AnswersSome
from adapter_workbench.experiments.workspace.evaluating import evaluation_key

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.work.learning import Learning
    from adapter_workbench.workbench.answering.evaluation import Evaluation
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task


@dataclass(frozen=True)
class Answering:
    """A task, and the state of a stage that answers for it."""

    learning: Learning
    task: Task

    @cached_property
    def asked(self) -> Task:
        """The task as the scenario poses it now."""
        return self.learning.context.asked(self.task)

    @cached_property
    def taught(self) -> Task:
        """The task, whole, with the labels that the head of its model has."""
        return self.learning.strategy.taught(self.task, self.learning.context)

    @cached_property
    def identity(self) -> str:
        """What determines the model, and how it answers: the code of a strategy of somebody else's, too."""
        own = self.learning.strategy.identity(self.learning.after, self.task, self.learning.context)
        return " ".join([own, *STRATEGIES.code(self.learning.planned.entry.strategy).values()])

    @cached_property
    def model(self) -> TaskModel:
        """The model, opened from what is stored; parts of the state that were dropped meanwhile are learned again."""
        self.learning.learn()
        return self.learning.strategy.model_for(self.learning.after, self.task, self.learning.context)

    @property
    def is_possible(self) -> bool:
        """Whether the state answers for the task at all."""
        strategy = self.learning.strategy
        return not isinstance(strategy, AnswersSome) or strategy.answers(self.learning.after, self.task)

    @property
    def is_learned(self) -> bool:
        """Whether the task counts at this stage: a checkpoint may be asked before that."""
        return self.learning.of(self.task).planned.stage <= self.learning.planned.stage

    @cached_property
    def as_learned(self) -> Answering:
        """The same right after the task was learned."""
        return replace(self, learning=self.learning.of(self.task))

    @cached_property
    def kept(self) -> bool:
        """Whether it is the model of the stage before, and the question is the same."""
        if self.task is self.learning.planned.task or not self.learning.earlier:
            return False
        before = replace(self, learning=self.learning.earlier)
        return before.identity == self.identity and before.asked.fingerprint == self.asked.fingerprint

    @property
    def evaluation(self) -> str:
        """Key of its test."""
        return evaluation_key(self.identity, self.asked, self.learning.plan.recipe.budget)

    def tested(self) -> Evaluation:
        """Answer the test split."""
        strategy = self.learning.strategy
        return strategy.tested(self.learning.after, self.task, self.learning.context, lambda: self.model)
