"""LoRA-FA: A stays as it was drawn; B takes the step that brings s B A nearest to the gradient of the whole matrix.

The step ΔB moves W by s ΔB A. It is nearest to the gradient G of W (least squares) at G Aᵀ (A Aᵀ)⁻¹ ÷ s. B's own
gradient is g = s G Aᵀ, so the optimiser is given g (A Aᵀ)⁻¹ ÷ s². peft does so in an optimiser of its own; here
it is AdamW or whatever the settings name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import FitHooks, Method
from adapter_workbench.workbench.methods.methods import lora
from adapter_workbench.workbench.methods.methods._counterweight import OWN

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.methods.method import FitLength


class Settings(lora.Settings):
    """The learning rate is LoRA's, and not tuned."""


def hooks(settings: Settings, body: Any, length: FitLength) -> FitHooks:
    """Correct the gradients of B before each update."""
    pairs = [(layer.lora_B[OWN].weight, correction(layer)) for layer in lora_layers(body).values()]

    def correct(done: int) -> None:
        for weight, factor in pairs:
            if weight.grad is not None:
                weight.grad.copy_(weight.grad @ factor)

    return FitHooks(before_update=correct)


def correction(layer: Any) -> Tensor:
    """Return (A Aᵀ)⁻¹ ÷ s², (rank, rank); where rows of A are dependent it is the pseudo-inverse."""
    a = layer.lora_A[OWN].weight.detach().float()  # (rank, in)
    inverse: Tensor = torch.linalg.pinv(a @ a.T, hermitian=True)
    scale: float = layer.scaling[OWN]
    return inverse / scale**2


METHOD = Method(
    title="LoRA-FA",
    paper="Zhang et al. 2023, arXiv:2308.03303",
    library="peft",
    settings=Settings,
    configure=lora.configure,
    objection=needs_targets(lora.configure),
    hooks=hooks,
    keeps=lambda name: ".lora_A." in name,
)
