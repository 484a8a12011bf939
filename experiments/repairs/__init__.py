"""Ways to bring back what shared weights forgot, one file each: at the end of a stream, without another task."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from adapter_workbench.experiments.strategies._groups import ADAPTERS_FOLDER, Groups, groups_in
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from adapter_workbench.experiments.strategies import Context, State, Strategy
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Settings


@dataclass(frozen=True)
class Shared:
    """Shared weights in memory, and the heads on them."""

    body: nn.Module  # the adapted backbone
    heads: Mapping[str, nn.Module]  # by the name that the strategy stores them under


@dataclass(frozen=True)
class Stored:
    """Adapters that are opened one at a time, under the heads that the stream left."""

    folders: Mapping[str, Path]  # task → where its adapter is


@dataclass(frozen=True)
class Attempt:
    """One way to repair."""

    chosen: Mapping[str, float]  # the numbers that make it this one, by name
    shared: Shared | Stored  # the weights, repaired
    tasks: Collection[str] | None = None  # those that are answered otherwise than before; None for all
    training_rows: int = 0  # how many labelled training rows it read, of all tasks together
    validation_rows: int | None = None  # the same of validation rows, where it does not read all of them


@dataclass(frozen=True)
class EndOfStream:
    """A stream that was learned to its end, in weights that tasks share."""

    strategy: Strategy  # how it was learned
    context: Context  # that of the last stage; the test splits in it are not a repair's to read
    # stage → the state after it, as far as its weights were kept; the last stage's are always there
    states: Mapping[int, State]

    @property
    def last(self) -> State:
        """The state after the last stage."""
        return self.states[len(self.context.tasks)]

    @cached_property
    def groups(self) -> Groups:
        """Which tasks share which adapter at the end; none where all tasks share one body."""
        return groups_in(self.last.existing)

    @property
    def as_learned(self) -> str | None:
        """The latest task that is still answered with what it was learned with; None where all were merged."""
        merged = {task for group in self.groups.groups if len(group.tasks) > 1 for task in group.tasks}
        return next((task.name for task in reversed(self.context.tasks) if task.name not in merged), None)

    def at(self, stage: int) -> EndOfStream:
        """Return the same stream as if it had ended after an earlier stage."""
        states = {earlier: state for earlier, state in self.states.items() if earlier <= stage}
        return EndOfStream(self.strategy, replace(self.context, tasks=self.context.tasks[:stage]), states)

    def standing(self) -> Shared | Stored:
        """Return what answers the tasks with nothing done."""
        return self.stored(self.groups) if self.groups.groups else self.open()

    def stored(self, groups: Groups) -> Stored:
        """Return adapters of the last state, each for the tasks that share it in ``groups``."""
        folder = self.last.existing / ADAPTERS_FOLDER
        return Stored({task: folder / group.folder for group in groups.groups for task in group.tasks})

    def open(self) -> Shared:
        """Return the one body after the last stage, opened anew: whoever asks may change it."""
        from adapter_workbench.experiments.strategies._heads import head_name, stored_head

        context, state = self.context, self.last
        heads = {head_name(context, task): stored_head(state, task, context).eval() for task in context.tasks}
        return Shared(self.strategy.model_for(state, context.tasks[-1], context).body, heads)

    def model(self, shared: Shared | Stored, task: Task) -> TaskModel:
        """Return what answers one of the tasks with ``shared`` weights."""
        from adapter_workbench.experiments.strategies._heads import head_name, stored_head
        from adapter_workbench.workbench.methods.kinds import KINDS
        from adapter_workbench.workbench.methods.model import TaskModel

        adaptation = self.context.adaptation
        if isinstance(shared, Stored):
            return adaptation.load(shared.folders[task.name], stored_head(self.last, task, self.context), task.kind)
        head, kind = shared.heads[head_name(self.context, task)], KINDS.get(task.kind)
        return TaskModel(shared.body, head, kind, adaptation.backbone.pooling, adaptation.precision).eval()


class Repair(Protocol):
    """A repair. It reads training and validation rows of the stream's tasks, never a test split.

    Attributes:
        settings: its own hyper-parameters. One called ``examples`` is the number of training rows that it reads of each
            task: its control reads as many.
        revision: raised where the same settings come to give another result; what is stored keeps its meaning.
    """

    settings: type[Settings]
    revision: int

    def objection(self, stream: EndOfStream) -> str | None:
        """Return why it cannot be done with these weights, in a few words; or None. Nothing is opened for it."""

    def attempts(self, stream: EndOfStream, settings: Any) -> Iterator[Attempt]:
        """Yield ways to repair; the one that validates best is taken, or none where doing nothing does."""


CONTROL = "head-on-frozen"  # uses nothing of the stream: validation does not choose between it and doing nothing

REPAIRS: Modules[Repair] = Modules("repair", __name__, "REPAIR", Repair)
