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

from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.experiments.strategies._branches import NOW, Branches
from adapter_workbench.experiments.strategies._shared import RemedySettings, Strength
from adapter_workbench.fusion.updates import lora

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Batch, Penalty


class NLoraSettings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 1e-5


class NLora(Branches):
    """Its state is that of o-lora."""

    settings = NLoraSettings

    def strengths(self, settings: NLoraSettings, stage: int) -> Sequence[float | None]:
        """The first task's update has to be sparse, too."""
        return settings.strengths

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ Σ ‖s Bₜ Aₜ‖₁ over modules."""
        return lambda batch: strength * absolute_sum(batch)


def absolute_sum(batch: Batch) -> Tensor:
    """Return Σ ‖s B_now A_now‖₁, the absolute entries of the new update in all adapted modules; a scalar."""
    of: Any = _AbsoluteProduct.apply
    adapted = lora.layers(batch.model.body).values()
    parts = [layer.scaling[NOW] * of(layer.lora_B[NOW].weight, layer.lora_A[NOW].weight) for layer in adapted]
    return torch.stack(parts).sum()


class _AbsoluteProduct(torch.autograd.Function):
    """‖B A‖₁, whose gradients sign(B A) Aᵀ and Bᵀ sign(B A) are made on the way there.

    Composed of torch's own operations it would keep a matrix of out × in for each module until the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, b: Tensor, a: Tensor) -> Tensor:
        product = b @ a  # (out, in)
        signs = product.sign()
        ctx.save_for_backward(signs @ a.T, b.T @ signs)
        return product.abs().sum()

    @staticmethod
    def backward(ctx: Any, outgoing: Tensor) -> tuple[Tensor, Tensor]:
        for_b, for_a = ctx.saved_tensors
        return outgoing * for_b, outgoing * for_a


STRATEGY = NLora()
