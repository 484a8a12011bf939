"""A remedy against forgetting, at the moments of a training loop: one object for streams and for anybody's Trainer.

What is trained is chosen before there is an optimiser (:meth:`Remedy.before_optimizer`), and the task begins
(:meth:`Remedy.before_task`). Something is added to the loss at each step (:meth:`Remedy.penalty`) or at each of its
forward passes (:meth:`Remedy.after_forward`), and the gradients, accumulated and clipped, are changed
(:meth:`Remedy.on_gradients`). At the end the model becomes an ordinary one again (:meth:`Remedy.release`), and the task
ends (:meth:`Remedy.after_task`).
A remedy holds settings alone. What it keeps of a task is its state: tensors by name, which any loop can store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


Shape = tuple[int | None, ...]  # None: of any size
Row = Mapping[str, Any]  # a row as a loop's collator takes it: numbers, text and lists of them by name


@dataclass(frozen=True)
class Rows:
    """What a loop trains on, and what the model loses on rows like these."""

    own: Callable[[], Sequence[Row]]  # the task's training rows
    # rows → parts of the model's mean loss on them, without what a remedy adds; they add up to it
    loss: Callable[[Sequence[Row]], Iterable[Tensor]]
    step: int  # how many rows a full step has in this process
    seed: int
    read: Callable[[Sequence[Row]], Any]  # rows of equal lengths → the model reads them, as one batch without padding
    logits: Callable[[Sequence[Row]], Tensor]  # rows → what the model says of them as it is (rows, labels)
    batches: Callable[[], int]  # → how many forward passes an epoch has in this process


@dataclass(frozen=True)
class Learner:
    """A model in training as a remedy sees it, whichever loop trains it."""

    body: nn.Module
    # so many of the task's training examples → of each, the scalars whose squared gradients add up to its Fisher
    # information; the model is in evaluation mode while they are read
    evidence: Callable[[int], Iterable[Iterable[Tensor]]]
    rows: Rows
    # the name of a trained parameter of ``body`` → whether it is part of what is kept; a task's own head is not
    holds: Callable[[str], bool] = lambda name: True
    whole: nn.Module | None = None  # the body and its heads, where the body is not all

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """All parameters that the optimiser moves, heads too, by name."""
        named = (self.whole or self.body).named_parameters()
        return {name: weight for name, weight in named if weight.requires_grad}

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """The parameters of ``body`` that are trained and held, by name."""
        named = self.body.named_parameters()
        return {name: weight for name, weight in named if weight.requires_grad and self.holds(name)}

    @property
    def head(self) -> dict[str, nn.Parameter]:
        """The other parameters that are trained: those of a task's own head."""
        held = {id(weight) for weight in self.weights.values()}
        return {name: weight for name, weight in self.trained.items() if id(weight) not in held}


@dataclass(frozen=True)
class ForwardPass:
    """A forward pass on training rows that the loop has just made, with gradients."""

    logits: Callable[[], Tensor]  # → what the model says: of each row, or of each token that is learned (…, labels)
    loss: Tensor  # their mean loss, before anything is added and without a gradient; a scalar
    # logits that the rows brought with them (…, labels), NaN where there is nothing to be held to; None without any
    remembered: Tensor | None = None


class Progress(Protocol):
    """What a task's steps change beside the weights; a training that goes on takes it up again."""

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it by name, to be stored."""

    def take_up(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`tensors` returned."""


@dataclass(frozen=True)
class RemedyState:
    """What a remedy keeps of the tasks so far."""

    # what they are → parameter of the body → tensor
    tensors: Mapping[str, dict[str, Tensor]] = field(default_factory=dict)
    rows: Sequence[Row] = ()  # of the tasks so far
    seen: int = 0  # how many rows have gone by, of which these are some
    tasks: int = 0  # how many have ended; 0 where nobody has counted
    progress: Progress | None = None  # of the task that is trained; no part of what the next one is given


def tasks_after(state: RemedyState | None) -> int:
    """Return how many tasks there are once another has been learned after those of ``state``; 0 if not counted."""
    if state is None:
        return 1
    return state.tasks + 1 if state.tasks else 0


class Remedy(Protocol):
    """What keeps what a model knew. A moment at which a remedy does nothing is left as it is here."""

    name: ClassVar[str]  # by which a state is known as this remedy's
    reads_rows: ClassVar[bool] = False  # whether it asks for a learner's evidence or rows
    begins_at: ClassVar[str | None] = None  # of its state, the tensors that the weights equal as a task begins

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return the names and shapes of a state's tensors; without any, the remedy has nothing to hold here."""
        return {name: tuple(weight.shape) for name, weight in learner.weights.items()}

    def shapes_of(self, sort: str, learner: Learner) -> dict[str, Shape]:
        """Return those of one sort of a state's tensors, where not all sorts have the same."""
        return self.shapes(learner)

    def objection(self, learner: Learner, state: RemedyState | None) -> str | None:
        """Return why a model cannot begin with a state, and what could; None where it can."""
        return None

    def before_optimizer(self, learner: Learner, state: RemedyState | None) -> None:
        """Choose what is trained, and of what parts it is made: the optimiser is made next. No rows can be read yet."""
        return

    def before_task(self, learner: Learner, state: RemedyState | None) -> RemedyState | None:
        """Return what the task's steps need, from what the tasks before left; None before the first."""
        return state

    def going_on(self, learner: Learner, state: RemedyState | None) -> RemedyState | None:
        """Return the same where a training goes on from a checkpoint, whose weights the model has by now."""
        return self.before_task(learner, state)

    def penalty(self, learner: Learner, state: RemedyState | None) -> Tensor | None:
        """Return what is added to the loss of a step, before gradients are clipped; a scalar, or None."""
        return None

    def after_forward(self, learner: Learner, state: RemedyState | None, forward: ForwardPass) -> Tensor | None:
        """Return what is added to the loss of one forward pass of a step, a mean over its rows; a scalar, or None."""
        return None

    def on_gradients(self, learner: Learner, state: RemedyState | None, step: int) -> None:
        """Change the gradients in place, once all of a step are accumulated and clipped; ``step`` counts from 0."""
        return

    def release(self, learner: Learner) -> None:
        """Undo what :meth:`before_optimizer` made of the model, which keeps what it has learned; in each process."""
        return

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState | None:
        """Return what the next task needs of this one and of those before."""
        return state
