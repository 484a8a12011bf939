"""Ways to bring back what shared weights forgot, one file each: at the end of a stream, without another task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from workbench.registry import Modules

if TYPE_CHECKING:
    from torch import nn

    from experiments.strategies import Context, State
    from experiments.strategies._shared import SharedWeights
    from workbench.model import TaskModel
    from workbench.settings import Settings
    from workbench.task import Task


@dataclass(frozen=True)
class Shared:
    """Shared weights in memory, and the heads on them.

    Attributes:
        body: the adapted backbone.
        heads: by the name that the strategy stores them under.
    """

    body: nn.Module
    heads: Mapping[str, nn.Module]


@dataclass(frozen=True)
class Attempt:
    """One way to repair.

    Attributes:
        chosen: the numbers that make it this one, by name.
        shared: the weights, repaired.
    """

    chosen: Mapping[str, float]
    shared: Shared


@dataclass(frozen=True)
class EndOfStream:
    """A stream that was learned to its end, in one set of weights.

    Attributes:
        strategy: how it was learned.
        context: that of the last stage; the test splits in it are not a repair's to read.
        states: stage → the state after it, as far as its weights were kept; the last stage's are always there.
    """

    strategy: SharedWeights
    context: Context
    states: Mapping[int, State]

    @property
    def last(self) -> State:
        """The state after the last stage."""
        return self.states[len(self.context.tasks)]

    def at(self, stage: int) -> EndOfStream:
        """Return the same stream as if it had ended after an earlier stage."""
        states = {one: state for one, state in self.states.items() if one <= stage}
        return EndOfStream(self.strategy, replace(self.context, tasks=self.context.tasks[:stage]), states)

    def open(self) -> Shared:
        """Return the weights after the last stage, opened anew: whoever asks may change them."""
        from experiments.strategies._heads import head_name, stored_head

        context, state = self.context, self.last
        heads = {head_name(context, task): stored_head(state, task, context).eval() for task in context.tasks}
        return Shared(self.strategy.model_for(state, context.tasks[-1], context).body, heads)

    def model(self, shared: Shared, task: Task) -> TaskModel:
        """Return what answers one of the tasks with ``shared`` weights."""
        from experiments.strategies._heads import head_name
        from workbench.kinds import KINDS
        from workbench.model import TaskModel

        adaptation, head = self.context.adaptation, shared.heads[head_name(self.context, task)]
        kind, pooling = KINDS.get(task.kind), adaptation.backbone.pooling
        return TaskModel(shared.body, head, kind, pooling, adaptation.precision).eval()


class Repair(Protocol):
    """A repair. It reads training and validation rows of the stream's tasks, never a test split.

    Attributes:
        settings: its own hyper-parameters.
        revision: raised where the same settings come to give another result; what is stored keeps its meaning.
    """

    settings: type[Settings]
    revision: int

    def objection(self, stream: EndOfStream) -> str | None:
        """Return why it cannot be done with these weights, in a few words; or None. Nothing is opened for it."""

    def attempts(self, stream: EndOfStream, settings: Any) -> Iterator[Attempt]:
        """Yield ways to repair; the one that validates best is taken, or none where doing nothing does."""


REPAIRS: Modules[Repair] = Modules("repair", __name__, "REPAIR")
