"""a-gem: sequential, and a step never turns against the gradient on a batch of remembered examples.

g is the gradient of a step on the new task, r that of the mean loss on examples drawn from the memory, over all trained
weights. Where gᵀr < 0, g becomes g − (gᵀr ÷ rᵀr) r, so that gᵀr = 0; else it stays (averaged gradient episodic memory:
Chaudhry et al. 2019, arXiv:1812.00420, eq. 11). The memory is that of ``replay``, and is not learned itself.

The batches of a step are accumulated, their gradient is clipped, and the clipped gradient is projected. Projecting
first would give the same direction, since the projection of c g is c times that of g for c > 0. A projection is never
longer, so that the limit of clipping holds. Weights that only remembered examples use, such as heads of earlier tasks,
have no gradient on the new task: they get one only where g was projected.

Differences from the paper: a step draws as many remembered examples as a full step has new ones (also the last step of
an epoch, which may have fewer), without replacement, and each under its own task's head; the optimiser is the fit's
(AdamW), whose step does not follow the projected gradient as plain SGD's does; and a task is seen for as many epochs
as the budget says, not once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from adapter_workbench.experiments.strategies import _memory
from adapter_workbench.experiments.strategies._remedied import learner_of
from adapter_workbench.experiments.strategies.replay import Replay
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from datasets import Dataset
    from torch import Tensor, nn

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.experiments.strategies.replay import ReplaySettings
    from adapter_workbench.workbench.methods.model import Correction
    from adapter_workbench.workbench.training.remedy import Row

Pairs = list[tuple["nn.Parameter", "Tensor"]]  # a trained weight and its part of the reference gradient


@dataclass(frozen=True)
class Projected(Remedy):
    """Its state is rows of the tasks so far: of all that went by, so many at random."""

    memory: int
    name: ClassVar[str] = "a-gem"
    reads_rows: ClassVar[bool] = True

    def on_gradients(self, learner: Learner, state: RemedyState | None, step: int) -> None:
        """Project them, once there are remembered rows."""
        if state is not None:
            project(reference(learner, _memory.drawn(state.rows, learner.rows.step, learner.rows.seed, step)))

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Put the rows of the task that was just learned into the memory, as far as a uniform sample has them."""
        own, before = learner.rows.own(), state or RemedyState()
        old = len(before.rows)
        generator = np.random.default_rng([learner.rows.seed, before.seen])
        kept = _memory.reservoir(old, len(own), self.memory, before.seen, generator)
        rows = [before.rows[index] if index < old else own[index - old] for index in kept.tolist()]
        return RemedyState(rows=rows, seen=before.seen + len(own))


class AGem(Replay):
    """Its state is that of replay."""

    def rehearsals(self, settings: ReplaySettings, earlier: Sequence[int]) -> int:
        """None: the memory gives gradients, not rows."""
        return 0

    def rehearsed(self, stage: Stage) -> Mapping[str, Dataset]:
        """Return nothing, see :meth:`rehearsals`."""
        return {}

    def correction(self, stage: Stage) -> Correction | None:
        """Return the projection; None where nothing is remembered yet."""
        memory = super().rehearsed(stage)
        if not memory:
            return None
        context, kind = stage.context, stage.model.kind
        rows = stage.mixed(memory, {}).splits["train"]
        encoded = kind.encode(rows, context.adaptation.backbone.tokenizer, context.budget.max_length)
        remedy = Projected(context.settings.memory)
        return partial(remedy.on_gradients, learner_of(stage), RemedyState(rows=encoded))


def reference(learner: Learner, rows: Sequence[Row]) -> Pairs:
    """Return r, the gradient of the mean loss on ``rows`` without any penalty; of weights that the loss depends on."""
    weights = [*learner.trained.values()]
    sums: list[Tensor | None] = [None] * len(weights)
    for loss in learner.rows.loss(rows):
        # not backward(): the gradients of the step stay where they are
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        sums = [_sum(old, new) for old, new in zip(sums, gradients, strict=True)]
    pairs = [(weight, gradient) for weight, gradient in zip(weights, sums, strict=True) if gradient is not None]
    processes.average([gradient for _, gradient in pairs])
    return pairs


@torch.no_grad()
def project(pairs: Pairs) -> None:
    """Replace g by g − (gᵀr ÷ rᵀr) r where gᵀr < 0; a weight without a gradient counts as one with the gradient 0."""
    along = _inner((weight.grad, part) for weight, part in pairs if weight.grad is not None)
    if not along < 0:
        return
    factor = along / _inner((part, part) for _, part in pairs)
    for weight, part in pairs:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.sub_(part, alpha=factor)


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Return the sum of two gradients, None for one that is 0 because the loss does not depend on the weight."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _inner(pairs: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Return Σ aᵀb, added up in float64; 0 where there is nothing."""
    products = [(a * b).sum(dtype=torch.float64) for a, b in pairs]
    return float(torch.stack(products).sum()) if products else 0.0


STRATEGY = AGem()
