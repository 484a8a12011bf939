"""PiSSA: a LoRA that begins at a matrix's principal part, W = (W − B₀ A₀) + B A with B₀ A₀ its first singular triplets.

The backbone stays as it is: −B₀ A₀ is a second, frozen adapter while the fit runs, and at its end both become one LoRA
of twice the rank, so that what is tested is what is stored.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch

from workbench.libraries.peft import needs_targets
from workbench.method import Course, Method
from workbench.methods import lora

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from workbench.method import Steps

OWN, START = "default", "start"


class Settings(lora.Settings):
    """``alpha`` equals ``rank``, as in the paper: the principal part is not scaled."""

    learning_rate: float = 1e-3
    alpha: float = 8


def course(settings: Settings, body: Any, steps: Steps) -> Course:
    """Begin at the principal part; an adapter that has been trained before goes on as the LoRA that it is."""
    if any(layer.lora_B[OWN].weight.any() for layer in _layers(body)):
        return Course()
    start = deepcopy(body.peft_config[OWN])
    body.add_adapter(START, start)
    for layer in _layers(body):
        base = layer.get_base_layer().weight.detach()
        left, right = principal(base, settings.rank)
        scale = layer.scaling[OWN] ** -0.5
        _put(layer, OWN, scale * left, scale * right)
        _put(layer, START, -scale * left, scale * right)
    body.base_model.set_adapter([OWN, START])
    body.set_requires_grad(START, False)
    return Course(finish=lambda: _joined(body))


def principal(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return B₀ (out, rank) and A₀ (rank, in), the factors U √S and √S Vᵀ of the first ``rank`` singular triplets."""
    left, values, right = torch.linalg.svd(weight.float(), full_matrices=False)
    root = values[:rank].sqrt()  # (rank,)
    return left[:, :rank] * root, root.unsqueeze(1) * right[:rank]


def _joined(body: Any) -> None:
    """Make one LoRA of both: B A − B₀ A₀ = [B, −B₀] [A; A₀]."""
    config = body.peft_config[OWN]
    config.r, config.lora_alpha = 2 * config.r, 2 * config.lora_alpha  # the scale stays as it is
    for layer in _layers(body):
        left = torch.cat([layer.lora_B[name].weight.detach() for name in (OWN, START)], dim=1)  # (out, 2 rank)
        right = torch.cat([layer.lora_A[name].weight.detach() for name in (OWN, START)], dim=0)  # (2 rank, in)
        layer.update_layer(OWN, config.r, config.lora_alpha, config=config)
        _put(layer, OWN, left, right)
    body.delete_adapter(START)
    body.set_adapter(OWN)


@torch.no_grad()
def _put(layer: Any, name: str, left: Tensor, right: Tensor) -> None:
    layer.lora_B[name].weight.copy_(left)
    layer.lora_A[name].weight.copy_(right)


def _layers(body: Any) -> Iterator[Any]:
    from peft.tuners.lora import LoraLayer

    return (module for module in body.modules() if isinstance(module, LoraLayer))


METHOD = Method(
    title="PiSSA",
    paper="Meng et al. 2024, arXiv:2404.02948, eq. 2–4",
    library="peft",
    settings=Settings,
    configure=lora.configure,
    objection=needs_targets(lora.configure),
    course=course,
)
