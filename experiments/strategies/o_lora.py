"""o-lora: each task adds its own LoRA; a penalty keeps its input directions orthogonal to those of earlier LoRAs.

ΔW = Σᵢ sᵢ Bᵢ Aᵢ over all tasks so far; only the last pair is trained, with λ Σᵢ ‖Aᵢ Aₜᵀ‖² added to the loss, λ the
strength (Wang et al. 2023, arXiv:2310.14152, eq. 6–8). The sum answers all tasks and is stored as one LoRA of rank
t · r.

Differences from the authors' program: it adds the sum of the absolute values of A_past A_nowᵀ where the paper, and this
module, have their squares, so that its λ is no guide to this one; and it adds λ₂ times the norm of the new factors,
which the paper does not have and this module leaves out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from adapter_workbench.experiments.strategies._branches import NOW, PAST, Branches
from adapter_workbench.experiments.strategies._shared import RemedySettings
from adapter_workbench.fusion.updates import lora

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Batch, Penalty


class OLora(Branches):
    """Its state is that of sequential; the rank of ``body`` grows with each task."""

    settings = RemedySettings

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ Σ ‖A Aₜᵀ‖² over modules, A the rows of all earlier tasks."""
        return lambda batch: strength * overlap(batch)


def overlap(batch: Batch) -> Tensor:
    """Return Σ ‖A_past A_nowᵀ‖²_F over the adapted modules; a scalar."""
    adapted = lora.layers(batch.model.body).values()
    products = [layer.lora_A[PAST].weight @ layer.lora_A[NOW].weight.T for layer in adapted]
    return torch.stack([product.square().sum() for product in products]).sum()


STRATEGY = OLora()
