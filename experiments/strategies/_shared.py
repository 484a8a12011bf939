"""One body that learns task after task, and the places where a remedy against forgetting comes in."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from adapter_workbench.experiments.strategies import _heads
from adapter_workbench.experiments.strategies._heads import (
    head_file,
    head_for,
    head_identity,
    head_name,
    save_heads,
    stored_head,
)
from adapter_workbench.experiments.strategies._stage import Stage
from adapter_workbench.experiments.strategies._stage_cost import StageCost
from adapter_workbench.experiments.workspace.evaluating import evaluate_model, validation_score
from adapter_workbench.workbench.methods.heads import Heads
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Weight
from adapter_workbench.workbench.training import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from datasets import Dataset
    from torch import nn

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.answering.evaluation import Evaluation
    from adapter_workbench.workbench.methods.model import Correction, Penalty
    from adapter_workbench.workbench.methods.task import Task

Strength = Weight | Annotated[tuple[Weight, ...], Field(min_length=1, max_length=100)]


class RemedySettings(Settings):
    """A remedy whose strength is chosen: with several given, each is tried at every stage from the same start.

    The one under which the tasks learned so far score best on their validation splits, on average, is kept. A stage
    whose loss the remedy adds nothing to is learned once.
    """

    strength: Strength = 1.0

    @property
    def strengths(self) -> tuple[float, ...]:
        """All of them."""
        return self.strength if isinstance(self.strength, tuple) else (self.strength,)


class SharedWeights:
    """Its state is the shared weights (``body``) and the heads of all tasks so far (``heads``).

    A remedy may add rows to what is learned (:meth:`lesson`) and a penalty to the loss (:meth:`penalty`), correct the
    gradients (:meth:`correction`), and add files to the state (:meth:`remember`).

    Attributes:
        method: the only fine-tuning method that it works with; None for any.
        mixes: kinds of tasks that it mixes in a batch, all tasks of one of them; empty where it mixes none.
        rehearses: whether the heads of earlier tasks are trained along.
        task_free: whether nothing that it keeps or does depends on where a task begins or ends.
        holds: whether it holds trained weights of the body, so that a method has to train some.
    """

    settings: type[Settings] = Settings
    disposable: tuple[str, ...] = ("body",)
    stages: Literal["each", "last"] = "each"
    method: str | None = None
    mixes: tuple[str, ...] = ()
    rehearses = False
    task_free = False
    holds = False

    def objection(self, settings: Any, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """Any method and any tasks will do, but for what the remedy says."""
        distinct_kinds = sorted(set(kinds))
        if not (scenario.announces_tasks or self.task_free):
            return "needs to know where a task ends, which this scenario does not tell"
        if self.method and method != self.method:
            return f"needs method {self.method}, not {method}"
        if self.holds and not METHODS.get(method).trains_body:
            return f"holds weights of the body, of which method {method} trains none"
        if self.mixes and len(distinct_kinds) > 1:
            return f"needs tasks of one kind, not {' and '.join(distinct_kinds)}"
        if self.mixes and not set(distinct_kinds) <= set(self.mixes):
            return f"needs tasks of kind {' or '.join(self.mixes)}, not {distinct_kinds[0]}"
        return None

    def fits(self, settings: Any, examples: Sequence[int]) -> list[int]:
        """One for each strength that is tried, on the new task and what is rehearsed."""
        *earlier, own = examples
        return [own + self.rehearsals(settings, earlier)] * len(self.strengths(settings, len(examples)))

    def rehearsals(self, settings: Any, earlier: Sequence[int]) -> int:
        """Return how many examples are learned again, from those of each earlier task."""
        return 0

    def strengths(self, settings: Any, stage: int) -> Sequence[float | None]:
        """Return the strengths that are tried at a stage, the first one 1; None where nothing is added to the loss."""
        return settings.strengths if isinstance(settings, RemedySettings) and stage > 1 else [None]

    def learn(self, state: State, context: Context, folder: Path) -> FitRecord:
        """Go on training the shared weights, once for each strength of the remedy; keep the best."""
        strengths = self.strengths(context.settings, len(context.tasks))
        cost, best = StageCost(), -math.inf
        for strength in strengths:
            candidate, trial_record = self._fit_with_strength(state, context, strength, cost)
            cost.add(trial_record)
            with cost.counted():
                score = self._mean_validation(candidate) if len(strengths) > 1 else 0.0
            if score > best:
                stage, record, best = candidate, trial_record, score
        with cost.counted():
            self.finish(stage)
        (folder / "body").mkdir()
        self.save(stage, folder / "body")
        (folder / _heads.FOLDER).mkdir()
        if state.folder:
            shutil.copytree(state.folder / _heads.FOLDER, folder / _heads.FOLDER, dirs_exist_ok=True)
        save_heads(stage.heads, folder)
        with cost.counted():
            self.remember(stage, folder)
        return replace(cost.record_of(record), trials=len(strengths))

    def prepare(self, stage: Stage) -> None:
        """Put into the stage's model what the remedy takes from its training rows before the first step."""

    def lesson(self, stage: Stage) -> Task:
        """Return what the stage learns from: the task's own examples, and earlier ones where the remedy keeps some."""
        task, own, earlier = stage.task, self.own_rows(stage), self.rehearsed(stage)
        if not isinstance(stage.model.head, Heads) and not earlier:
            return replace(task, splits={**task.splits, "train": own})
        return stage.mixed({**earlier, task.name: own}, {task.name: task.splits["validation"]})

    def own_rows(self, stage: Stage) -> Dataset:
        """Return the task's own training rows."""
        return stage.task.splits["train"]

    def rehearsed(self, stage: Stage) -> Mapping[str, Dataset]:
        """Return training rows of earlier tasks that are learned again, posed as now, by task name."""
        return {}

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return what is added to the loss at a stage that has strengths."""
        raise NotImplementedError

    def correction(self, stage: Stage) -> Correction | None:
        """Return what changes the gradients of each step; None where nothing does."""
        return None

    def finish(self, stage: Stage) -> None:
        """Change the model that was learned before it is stored."""

    def remember(self, stage: Stage, folder: Path) -> None:
        """Write into the new state's ``folder`` what later stages need to keep this task."""

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the weights as they were left, under ``head``."""
        task, adaptation = context.posed[-1], context.adaptation
        if state.folder is None:
            return adaptation.fresh(task.kind, len(task.labels), context.seed).under(head)
        return adaptation.load(state.folder / "body", head, task.kind)

    def body_for(self, stage: Stage, task: Task) -> nn.Module:
        """Return the weights that are learning, as they answer one of the tasks learned so far."""
        return stage.model.body

    def save(self, stage: Stage, folder: Path) -> None:
        """Write the shared weights."""
        stage.context.adaptation.library.save(stage.model.body, folder)

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the task's head on the shared weights as they are now."""
        return context.adaptation.load(state.existing / "body", stored_head(state, task, context), task.kind)

    def taught(self, task: Task, context: Context) -> Task:
        """Return the task as it is posed now."""
        return context.asked(task)

    def tested(self, state: State, task: Task, context: Context, model: Callable[[], TaskModel]) -> Evaluation:
        """Run the model over the test split."""
        return evaluate_model(model(), context.asked(task), context.adaptation.backbone, context.budget)

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The state, since every stage changes the shared weights; under frozen features the head alone counts."""
        if not context.adaptation.card.trains_body and (head := head_file(state, task, context)).is_file():
            return head_identity(context, head)
        return f"{state.key} {task.name}"

    def kept(self, state: State, context: Context) -> list[Path]:
        """The state's folder."""
        return [state.existing]

    def _fit_with_strength(
        self, state: State, context: Context, strength: float | None, cost: StageCost
    ) -> tuple[Stage, FitRecord]:
        model = self.begin(context, state, self._head(context, state))
        stage = Stage(state, context, model)
        with cost.counted():
            self.prepare(stage)
            lesson = self.lesson(stage)
            model.penalty = None if strength is None else self.penalty(stage, strength)
            model.correction = self.correction(stage)
        scratch = context.scratch
        if scratch and strength is not None:
            scratch = scratch / f"strength-{strength!r}"
        reporting = context.listener, context.label, scratch
        record = fit(model, lesson, context.adaptation, context.budget, context.seed, *reporting)
        model.penalty = model.correction = None
        return stage, replace(record, chosen={} if strength is None else {"strength": strength})

    def _head(self, context: Context, state: State) -> nn.Module:
        """Return the head to learn with: the shared one, the task's own, or those of all tasks so far."""
        if len(context.posed) == 1 or context.scenario.shares_head or not self.rehearses:
            return head_for(context, state, context.posed[-1])
        heads = [head_for(context, state, task) for task in context.posed]
        return Heads(heads) if heads[-1].state_dict() else heads[-1]

    def _mean_validation(self, stage: Stage) -> float:
        """Return the mean validation score of the tasks learned so far."""
        context, model = stage.context, stage.model
        scores = []
        for task in context.drawn:
            head, kind = stage.heads.get(head_name(context, task)), KINDS.get(task.kind)
            head = head or head_for(context, stage.state, task)
            task_model = TaskModel(self.body_for(stage, task), head, kind, model.pooling, model.precision)
            scores.append(validation_score(task_model, task, context.adaptation.backbone, context.budget))
        return sum(scores) / len(scores)
