"""PiSSA: a LoRA that begins at a matrix's principal part, W = (W − B₀ A₀) + B A with B₀ A₀ its first singular triplets.

The backbone stays as it is (:mod:`._counterweight`): what is stored is one LoRA of twice the
rank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import FitHooks, Method
from adapter_workbench.workbench.methods.methods import lora
from adapter_workbench.workbench.methods.methods._counterweight import (
    OWN,
    begin_at,
    drops,
    has_learned,
    matrix,
    unfit,
    until_joined,
)

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.methods.method import FitLength


class Settings(lora.Settings):
    """``alpha`` equals ``rank``, as in the paper: the principal part is not scaled."""

    learning_rate: float = 1e-3
    alpha: float = 8


def hooks(settings: Settings, body: Any, length: FitLength) -> FitHooks:
    """Begin at the principal part; an adapter that has been trained before goes on as the LoRA that it is."""
    if has_learned(body):
        return FitHooks()
    begin_at(body, {name: _start(layer, settings.rank) for name, layer in lora_layers(body).items()})
    return until_joined(settings, body, length)


def principal(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return B₀ (out, rank) and A₀ (rank, in), the factors U √S and √S Vᵀ of the first ``rank`` singular triplets."""
    left, values, right = torch.linalg.svd(weight.float(), full_matrices=False)
    root = values[:rank].sqrt()  # (rank,)
    return left[:, :rank] * root, root.unsqueeze(1) * right[:rank]


def _start(layer: Any, rank: int) -> tuple[Tensor, Tensor]:
    left, right = principal(matrix(layer), rank)
    scale = layer.scaling[OWN] ** -0.5
    return scale * left, scale * right


METHOD = Method(
    title="PiSSA",
    paper="Meng et al. 2024, arXiv:2404.02948, eq. 2–4",
    library="peft",
    settings=Settings,
    configure=lora.configure,
    objection=needs_targets(lora.configure, unfit),
    hooks=hooks,
    reshapes=True,
    revision=2,
    affects={2: drops},
)
