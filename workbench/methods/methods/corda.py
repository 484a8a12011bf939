"""CorDA: a LoRA that begins at the part of a matrix which the task's examples ask for most.

With C the second moments of what W reads and W C = U S Vᵀ, it begins at s B₀ A₀ = U_r S_r V_rᵀ C⁻¹, the first r
singular triplets. Since U_rᵀ W C = S_r V_rᵀ, that is U_r U_rᵀ W: no inverse is needed. The backbone stays as it is
(:mod:`adapter_workbench.workbench.methods.methods._counterweight`): what is stored is one LoRA of twice the rank.

This is the paper's instruction-previewed mode. Its other mode takes the last triplets, of examples of what is to be
kept; a fit has none of those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import lora
from adapter_workbench.workbench.methods.methods._counterweight import OWN, begin_at, drops, matrix, unfit, until_joined
from adapter_workbench.workbench.methods.methods._examples import read_inputs, starting
from adapter_workbench.workbench.settings.bounds import Count

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.methods.model import TaskModel

DAMPING = 0.01  # this share of the mean of C's diagonal is added to the diagonal


class Settings(lora.Settings):
    """``examples`` of the training split are read. Rate and ``alpha`` are PiSSA's; the rate is not tuned."""

    learning_rate: float = 1e-3
    alpha: float = 8
    examples: Count = 64


def begin(settings: Settings, model: TaskModel, batches: list[dict[str, Tensor]]) -> None:
    """Let a fresh LoRA begin where the examples say."""
    moments: dict[str, Tensor] = {}

    def add(name: str, read: Tensor) -> None:
        scaled = read / read.max().abs()  # as in the authors' program: no example outweighs the others
        own = scaled.T @ scaled / len(batches)  # (in, in)
        moments[name] = moments[name] + own if name in moments else own

    read_inputs(model, batches, add)
    starts, layers = {}, lora_layers(model.body)
    for name, own in moments.items():
        left, right = oriented_factors(matrix(layers[name]), own, settings.rank)
        scale = layers[name].scaling[OWN] ** -0.5
        starts[name] = scale * left, scale * right
    begin_at(model.body, starts)


def oriented_factors(weight: Tensor, moments: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return B₀ = U_r √S_r (out, rank) and A₀ = √S_r V_rᵀ C⁻¹ = U_rᵀ W ÷ √S_r (rank, in).

    Args:
        weight: W (out, in).
        moments: C (in, in), before it is damped.
        rank: r.
    """
    damped = moments + DAMPING * moments.diagonal().mean() * torch.eye(len(moments), device=moments.device)
    left, values, _ = torch.linalg.svd(weight @ damped, full_matrices=False)
    smallest = torch.finfo(values.dtype).eps * values[0]
    u, root = left[:, :rank], values[:rank].clamp(min=smallest).sqrt()  # (out, rank), (rank,)
    return u * root, u.T @ weight / root.unsqueeze(1)


METHOD = Method(
    title="CorDA",
    paper="Yang et al. 2024, arXiv:2406.05223",
    library="peft",
    settings=Settings,
    configure=lora.configure,
    objection=needs_targets(lora.configure, unfit),
    prepare=starting(begin),
    hooks=until_joined,
    reshapes=True,
    revision=2,
    affects={2: drops},
)
