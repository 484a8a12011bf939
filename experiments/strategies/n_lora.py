"""n-lora: each task adds its own LoRA; a penalty keeps its update sparse, so that few weights are changed by two tasks.

ΔW = Σᵢ sᵢ Bᵢ Aᵢ over all tasks so far; only the last pair is trained. From the first task on, λ Σ ‖sₜ Bₜ Aₜ‖₁ is added
to the loss: the sum over modules of the absolute entries of the update, λ the strength (N-LoRA: Yang et al. 2025,
arXiv:2410.10179). Two tasks collide at a weight that both change; updates that nowhere collide are orthogonal. The sum
answers all tasks and is stored as one LoRA of rank t · r. The penalty makes each update as large as out · in numbers at
every step, one module after the other.

Differences from the authors' program:

- It takes the absolute entries of the product of its stored factors, Aₜ Bₜ, which has rank × rank entries and exists
  only where a module has as many outputs as inputs. Here, as in the paper, they are those of the update, which has
  out × in. So its λ (0.38 to 1.8) are no guide for the λ here, which are far smaller.
- Its penalty leaves out s. Here s is the method's alpha ÷ rank.
- AdamW does not make an entry exactly 0, there or here: sparse means that most entries are close to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from adapter_workbench.experiments.strategies._branches import Branches
from adapter_workbench.experiments.strategies._pairs import of_product, pairs
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.experiments.strategies._shared import RemedySettings, Strength
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


class NLoraSettings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 1e-5


@dataclass(frozen=True)
class Sparse(Remedy):
    """It keeps nothing: what each task changes is to be little."""

    strength: float
    name: ClassVar[str] = "n-lora"

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return those of the updates."""
        return {name: (len(pair.b), pair.a.shape[1]) for name, pair in pairs(learner.body).items()}

    def penalty(self, learner: Learner, state: RemedyState | None) -> Tensor:
        """Return λ Σ ‖s Bₜ Aₜ‖₁ over modules."""
        return self.strength * absolute_sum(learner.body)


class NLora(Remedied, Branches):
    """Its state is that of o-lora."""

    settings = NLoraSettings
    disposable = ("body",)

    def strengths(self, settings: NLoraSettings, stage: int) -> Sequence[float | None]:
        """The first task's update has to be sparse, too."""
        return settings.strengths

    def remedy(self, settings: NLoraSettings, strength: float | None) -> Sparse:
        """Return the remedy."""
        return Sparse(0.0 if strength is None else strength)


def absolute_sum(body: nn.Module) -> Tensor:
    """Return Σ ‖s B_now A_now‖₁, the absolute entries of the new update in all adapted modules; a scalar."""
    return torch.stack([pair.scale * of_product(pair, _absolute) for pair in pairs(body).values()]).sum()


def _absolute(product: Tensor) -> tuple[Tensor, Tensor]:
    return product.abs().sum(), product.sign()


STRATEGY = NLora()
