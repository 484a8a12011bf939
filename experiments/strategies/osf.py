"""osf: full fine-tuning in which the first singular directions of each matrix stay, more of them with each task.

Before a task each matrix W = U S Vᵀ is split behind its first k singular triplets U₁ S₁ V₁ᵀ, and becomes
U₁ S₁ V₁ᵀ + (I − U₁ U₁ᵀ) U₂ diag(s₂) V₂ᵀ (I − V₁ V₁ᵀ). The first part stays, U₂, s₂ and V₂ are trained, beginning as
the other triplets. So U₁ᵀ W and W V₁ stay whatever is learned: what the matrix makes of inputs along V₁, and what it
gives along U₁ (OSF: Nayak et al. 2025, arXiv:2504.07097). Of d = min(out, in) triplets, ⌊d · min(p + (t − 1) g, 1 − g)⌋
stay at task t, p ``preserved`` and g ``growth``: with p = 0 and g = 1 ÷ n that is (t − 1) ÷ n, the schedule that PEFT's
documentation gives for n tasks. As in PEFT, embeddings, biases and normalisation layers are frozen.

The state is a whole model, which is split anew before each task. PEFT's adapter is not: it is loaded on the pretrained
weights, and split as they are. So this is a strategy for the method ``full``, not a method.

Differences from PEFT 0.21, and from the authors' program:

- Both project gradients. AdamW then divides each number by its own size, so that a step leaves the subspace again.
  Here the factors are projected where W is made: their gradients are the same, and no optimiser can leave.
- A matrix of which nothing stays, as at the first task by default, is trained as it is. PEFT refuses that.
- The authors' program takes the share of max(out, in), though at most all directions. Here, as in PEFT, it is the share
  of min(out, in).
- The authors' program splits the matrices of self-attention and feed-forward layers alone, and leaves whatever is not
  split trainable. Here all matrices but embeddings are split, and the rest is frozen, as in PEFT.
- The paper gives k to each matrix by how alike its inputs and outputs are. Here, as in PEFT, the share is one for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from adapter_workbench.experiments.strategies._kept_rows import release
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.experiments.strategies._sketches import are_other, sketches_of
from adapter_workbench.workbench.backbone import architecture
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.strategies._stage import Stage

SKETCHES = "sketches"  # in a remedy's state: by them a model is known as the one that the task before left


class OsfSettings(Settings):
    """How many singular directions of a matrix stay, as shares of all; the last ``growth`` is always left to train."""

    preserved: float = Field(0.0, ge=0, lt=1, description="share that stays while the first task is learned")
    growth: float = Field(0.1, ge=0, lt=1, description="how much larger the share is with each further task")

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.preserved + self.growth > 1:
            raise ValueError("preserved and growth have to be at most 1 together")
        return self

    def rank(self, stage: int, size: int) -> int:
        """Return how many of the ``size`` singular directions of a matrix stay at a stage (from 1)."""
        share = min(self.preserved + (stage - 1) * self.growth, 1 - self.growth)
        return min(int(size * share + 1e-9), size - 1)  # 100 · 0.58 is less than 58


@dataclass(frozen=True)
class FirstDirections(Remedy):
    """Its state is how many tasks were learned, and a sketch of each matrix; what is kept is in the model itself."""

    settings: OsfSettings
    name: ClassVar[str] = "osf"

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return those of the sketches."""
        return {name: (len(layer.weight),) for name, layer in matrices(learner).items()}

    def objection(self, learner: Learner, state: RemedyState | None) -> str | None:
        """It has to be a whole model, the one that the task before left."""
        if hasattr(learner.body, "peft_config"):
            return "the matrices of a whole model are split, and this one has an adapter: merge it first"
        weights = {name: layer.weight for name, layer in matrices(learner).items()}
        if state is not None and are_other(weights, state.tensors.get(SKETCHES, {})):
            return "the model does not begin where the training before ended: load the weights that it has left"
        return None

    def before_optimizer(self, learner: Learner, state: RemedyState | None) -> None:
        """Split each matrix, so that all but its first directions are trained, and freeze what is no matrix."""
        layers, task = matrices(learner), state.tasks + 1 if state else 1
        for weight in learner.weights.values():
            weight.requires_grad = False
        for layer in layers.values():
            layer.weight.requires_grad = True
            if rank := self.settings.rank(task, min(layer.weight.shape)):
                register_parametrization(layer, "weight", Preserving(rank))

    def release(self, learner: Learner) -> None:
        """Make each matrix one again."""
        layers: list[Any] = [*learner.body.modules()]
        for layer in layers:
            if is_parametrized(layer, "weight") and isinstance(layer.parametrizations.weight[0], Preserving):
                release(layer)

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Count the task."""
        sketches = sketches_of({name: layer.weight for name, layer in matrices(learner).items()})
        return RemedyState({SKETCHES: sketches}, tasks=state.tasks + 1 if state else 1)


class Osf(Remedied):
    """Its state is that of sequential."""

    settings = OsfSettings
    method = "full"
    disposable = ("body",)

    def remedy(self, settings: OsfSettings, strength: float | None) -> FirstDirections:
        """Return the remedy."""
        return FirstDirections(settings)

    def state_before(self, stage: Stage) -> RemedyState:
        """Return how many tasks there were; the weights are in ``body``."""
        return RemedyState(tasks=len(stage.context.tasks) - 1)

    def prepare(self, stage: Stage) -> None:
        """Leave out what no state depends on, and begin the task."""
        reached = {*architecture.parameters(stage.context.adaptation.backbone.config)}
        for name, weight in stage.model.body.named_parameters():
            weight.requires_grad = name in reached
        super().prepare(stage)

    def finish(self, stage: Stage) -> None:
        """Make each matrix one again, and all weights trainable: else only what was trained would be written."""
        super().finish(stage)
        stage.model.body.requires_grad_(True)

    def remember(self, stage: Stage, folder: Path) -> None:
        """Nothing: the weights are in ``body``, and the recipe has the number of the task."""


class Preserving(nn.Module):
    """A matrix (out, in) as the sum of its first singular triplets, which stay, and of a part orthogonal to them.

    Attributes:
        high: the part that stays (out, in).
        left: its left singular vectors (out, rank).
        right: its right ones (rank, in).
    """

    high: Tensor
    left: Tensor
    right: Tensor

    def __init__(self, rank: int) -> None:
        """Keep so many triplets of the matrix to come."""
        super().__init__()
        self.rank, self.dtype = rank, torch.float32

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keep the first triplets of ``weight``, and return the others: U (out, r), s (r,) and Vᵀ (r, in)."""
        self.dtype = weight.dtype  # a singular value decomposition is made, and its factors trained, in float32
        rank, (u, s, v) = self.rank, torch.linalg.svd(weight.detach().float(), full_matrices=False)
        self.register_buffer("left", _copy_of(u[:, :rank]), persistent=False)
        self.register_buffer("right", _copy_of(v[:rank]), persistent=False)
        self.register_buffer("high", (self.left * s[:rank]) @ self.right, persistent=False)
        return _copy_of(u[:, rank:]), _copy_of(s[rank:]), _copy_of(v[rank:])

    def forward(self, u: Tensor, s: Tensor, v: Tensor) -> Tensor:
        """Return the matrix, in full precision whatever the model computes in."""
        with torch.autocast(u.device.type, enabled=False):
            u = u - self.left @ (self.left.T @ u)  # (out, r)
            v = v - (v @ self.right.T) @ self.right  # (r, in)
            low = (u * s) @ v  # (out, in)
        return (self.high + low).to(self.dtype)


def matrices(learner: Learner) -> dict[str, Any]:
    """Return the layers whose ``weight`` is a trained matrix that multiplies their input, by that weight's name.

    Embeddings are none, nor is the output layer of a language model.
    """
    weights, body = learner.weights, learner.body
    output: Any = getattr(body, "get_output_embeddings", lambda: None)()
    named = {f"{name}.weight": module for name, module in body.named_modules()}
    return {
        name: layer
        for name, layer in named.items()
        if name in weights and weights[name].ndim == 2 and layer is not output and not isinstance(layer, nn.Embedding)
    }


def _copy_of(view: Tensor) -> Tensor:
    """Return a copy that shares no memory with what ``view`` is a view of."""
    return view.clone(memory_format=torch.contiguous_format)


STRATEGY = Osf()
