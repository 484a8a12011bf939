"""One body that learns task after task, and the places where a remedy against forgetting comes in."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from safetensors.torch import load_file
from torch import nn

from experiments.workspace.evaluating import test
from tasks.union import pooled, union
from workbench.adaptation import save_head
from workbench.bounds import Weight
from workbench.digest import digest, key
from workbench.evaluation import evaluate
from workbench.heads import Heads
from workbench.kinds import KINDS
from workbench.model import TaskModel
from workbench.settings import Settings
from workbench.stopwatch import Stopwatch
from workbench.training import fit

if TYPE_CHECKING:
    from datasets import Dataset

    from experiments.scenarios import Scenario
    from experiments.strategies import Context, State
    from workbench.evaluation import Evaluation
    from workbench.fit_record import FitRecord
    from workbench.model import Penalty
    from workbench.task import Task

SHARED_HEAD = "all"
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


@dataclass(frozen=True)
class Stage:
    """One task on its way into the shared weights.

    Attributes:
        state: what was there before.
        context: the stage's surroundings.
        model: the weights, first as they were, then as they become.
    """

    state: State
    context: Context
    model: TaskModel

    @property
    def task(self) -> Task:
        """The task to be learned, drawn and posed."""
        return self.context.drawn[-1]

    @property
    def earlier(self) -> tuple[Task, ...]:
        """The tasks learned before, drawn and posed; their training examples are not to be looked at."""
        return self.context.drawn[:-1]

    @cached_property
    def heads(self) -> dict[str, nn.Module]:
        """The heads that the model holds, by the name that they are stored under."""
        names = [head_name(self.context, task) for task in self.context.posed]
        if isinstance(self.model.head, Heads):
            return dict(zip(names, self.model.head.each, strict=True))
        return {names[-1]: self.model.head}


class SharedWeights:
    """Its state is the shared weights (``body``) and the heads of all tasks so far (``heads``).

    A remedy may add rows to what is learned (:meth:`lesson`), a penalty to the loss (:meth:`penalty`), and files to
    the state (:meth:`remember`).

    Attributes:
        rehearses: whether the heads of earlier tasks are trained along.
    """

    settings: type[Settings] = Settings
    disposable: tuple[str, ...] = ("body",)
    stages: Literal["each", "last"] = "each"
    rehearses = False

    def objection(self, settings: Any, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """Any method and any tasks will do, unless the remedy says otherwise."""
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

    def learn(self, state: State, task: Task, context: Context, folder: Path) -> FitRecord:
        """Go on training the shared weights on ``task``, once for each strength of the remedy; keep the best."""
        strengths = self.strengths(context.settings, len(context.tasks))
        beside, seconds, best = Stopwatch(), 0.0, -math.inf
        for strength in strengths:
            other, told = self._tried(state, context, strength, beside)
            seconds += told.seconds
            with beside:
                standing = self._standing(other) if len(strengths) > 1 else 0.0
            if standing > best:
                stage, record, best = other, told, standing
        (folder / "body").mkdir()
        self.save(stage, folder / "body")
        (folder / "heads").mkdir()
        if state.folder:
            shutil.copytree(state.folder / "heads", folder / "heads", dirs_exist_ok=True)
        for name, head in stage.heads.items():
            save_head(head, _file(folder, name))
        with beside:
            self.remember(stage, folder)
        return replace(record, seconds=seconds + beside.seconds, trials=len(strengths))

    def lesson(self, stage: Stage) -> Task:
        """Return what the stage learns from: the task's own examples, and earlier ones where the remedy keeps some."""
        task, own, earlier = stage.task, self.own_rows(stage), self.rehearsed(stage)
        if not isinstance(stage.model.head, Heads) and not earlier:
            return replace(task, splits={**task.splits, "train": own})
        train = {**earlier, task.name: own}
        return mixed(stage.context, train, {task.name: task.splits["validation"]}, stage.model)

    def own_rows(self, stage: Stage) -> Dataset:
        """Return the task's own training rows."""
        return stage.task.splits["train"]

    def rehearsed(self, stage: Stage) -> Mapping[str, Dataset]:
        """Return training rows of earlier tasks that are learned again, posed as now, by task name."""
        return {}

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return what is added to the loss at a stage that has strengths."""
        raise NotImplementedError

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
        return context.adaptation.load(existing(state) / "body", stored_head(state, task, context), task.kind)

    def taught(self, task: Task, context: Context) -> Task:
        """Return the task as it is posed now."""
        return context.asked(task)

    def tested(self, state: State, task: Task, context: Context, model: Callable[[], TaskModel]) -> Evaluation:
        """Run the model over the test split."""
        return test(model(), context.asked(task), context.adaptation.backbone, context.budget)

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The state, since every stage changes the shared weights; under frozen features the head alone counts."""
        if not context.adaptation.card.trains_body and (head := head_file(state, task, context)).is_file():
            return answering(context, head)
        return f"{state.key} {task.name}"

    def kept(self, state: State, context: Context) -> list[Path]:
        """The state's folder."""
        return [existing(state)]

    def _tried(
        self, state: State, context: Context, strength: float | None, beside: Stopwatch
    ) -> tuple[Stage, FitRecord]:
        model = self.begin(context, state, self._head(context, state))
        stage = Stage(state, context, model)
        with beside:
            lesson = self.lesson(stage)
            model.penalty = None if strength is None else self.penalty(stage, strength)
        scratch = (
            context.scratch if strength is None or not context.scratch else context.scratch / f"strength-{strength!r}"
        )
        heard = context.listener, context.label, scratch
        record = fit(model, lesson, context.adaptation, context.budget, context.seed, *heard)
        model.penalty = None
        return stage, replace(record, chosen={} if strength is None else {"strength": strength})

    def _head(self, context: Context, state: State) -> nn.Module:
        """Return the head to learn with: the shared one, the task's own, or those of all tasks so far."""
        if len(context.posed) == 1 or context.scenario.shares_head or not self.rehearses:
            return head_for(context, state, context.posed[-1])
        heads = [head_for(context, state, task) for task in context.posed]
        return Heads(heads) if heads[-1].state_dict() else heads[-1]

    def _standing(self, stage: Stage) -> float:
        """Return the mean validation score of the tasks learned so far."""
        context, model = stage.context, stage.model
        scores = []
        for task in context.drawn:
            head, kind = stage.heads.get(head_name(context, task)), KINDS.get(task.kind)
            head = head or head_for(context, stage.state, task)
            asked = TaskModel(self.body_for(stage, task), head, kind, model.pooling, model.precision)
            backbone, length = context.adaptation.backbone, context.budget.max_length
            found = evaluate(asked, task.splits["validation"], len(task.labels), backbone.tokenizer, length)
            scores.append(found.scores[kind.metric])
        return sum(scores) / len(scores)


def answering(context: Context, head: Path, *own: Any) -> str:
    """Return the key of all that answers hang on: the adapted backbone, a stored head, what else is the task's own."""
    adaptation = context.adaptation
    read = [adaptation.backbone.fingerprint, adaptation.settings.model_dump(mode="json"), adaptation.precision]
    return key([adaptation.method, *own, *read, digest(head) if head.is_file() else None])


def head_name(context: Context, task: Task) -> str:
    """Return the name that a task's head is stored under."""
    return SHARED_HEAD if context.scenario.shares_head else task.name


def head_for(context: Context, state: State, task: Task) -> nn.Module:
    """Return a posed task's head: as it was stored, with new rows for new labels; or a fresh one.

    Each task's own head is drawn by itself. Equal ones would ask the same direction of the features for every task's
    labels, and a new task would turn around the answers of earlier ones.
    """
    name = head_name(context, task)
    seed = context.seed if context.scenario.shares_head else int(key([context.seed, name])[:8], 16)
    head = context.adaptation.fresh_head(task.kind, len(task.labels), seed)
    path = _file(state.folder, name) if state.folder else None
    if path and path.is_file():
        with torch.no_grad():
            for name, stored in load_file(path).items():
                head.get_parameter(name)[: len(stored)] = stored
    return head


def stored_head(state: State, task: Task, context: Context) -> nn.Module:
    """Return the head that a task learned so far is answered with."""
    path, labels = head_file(state, task, context), len(context.asked(task).labels)
    return context.adaptation.stored_head(path, task.kind, labels)


def head_file(state: State, task: Task, context: Context) -> Path:
    """Return where that head is stored; nothing is there where it is the backbone's own."""
    return _file(existing(state), head_name(context, task))


def mixed(context: Context, train: Mapping[str, Dataset], validation: Mapping[str, Dataset], model: TaskModel) -> Task:
    """Return rows of several of the tasks learned so far as one task that ``model``'s head, or heads, answer.

    Args:
        context: of the stage.
        train: rows to learn from by task name.
        validation: rows to pick the epoch on, by task name.
        model: what will learn them.
    """
    parts = [
        replace(
            task,
            splits={
                name: rows.get(task.name, task.splits[name].select([]))
                for name, rows in (("train", train), ("validation", validation))
            },
        )
        for task in context.drawn
    ]
    name = context.posed[-1].name
    return union(parts, name, grouped=True) if isinstance(model.head, Heads) else pooled(parts, name)


def existing(state: State) -> Path:
    """Return the folder of a state in which something has been learned."""
    if state.folder is None:
        raise ValueError("nothing has been learned yet")
    return state.folder


def _file(folder: Path, name: str) -> Path:
    return folder / "heads" / f"{name}.safetensors"
