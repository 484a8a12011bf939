"""A LoRA that begins at B₀ A₀ and not at nothing, under which the model still begins as it was.

peft takes s B₀ A₀ off the backbone's weights. Here the backbone stays as it is: −B₀ A₀ is a second, frozen LoRA while
the fit runs, and at its end both become one LoRA of twice the rank, so that what is tested is what is stored.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.backbone.bf16_matrices import shown_in_float32
from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.method import FitHooks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from adapter_workbench.workbench.methods.method import FitLength

OWN, START = "default", "start"


def drops(settings: Any) -> bool:
    """Return whether there is dropout: in a first revision of these methods the counterweight had some as well."""
    return bool(settings.dropout > 0)


def unfit(settings: Any, rows: int, columns: int) -> str | None:
    """Return why a matrix has not so many singular triplets as a LoRA begins at."""
    if min(rows, columns) < settings.rank:
        return f"rank {settings.rank} is more than a matrix of {rows} × {columns} has"
    return None


def has_learned(body: Any) -> bool:
    """Return whether the LoRA on ``body`` was trained before: it goes on as the LoRA that it is."""
    return any(bool(layer.lora_B[OWN].weight.any()) for layer in lora_layers(body).values())


@torch.no_grad()
def matrix(layer: Any) -> Tensor:
    """Return the backbone's weight (out, in) below a LoRA, in float32; a packed one is read off unit vectors."""
    base = layer.get_base_layer()
    weight: Tensor = base.weight.detach()
    if not weight.is_floating_point():
        made: Tensor = base(torch.eye(layer.in_features, device=weight.device)).float()  # (in, out)
        return (made if base.bias is None else made - base.bias.float()).T
    return weight.float().T if getattr(layer, "fan_in_fan_out", False) else weight.float()


def begin_at(body: Any, starts: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Let LoRAs begin at B₀ (out, rank) and A₀ (rank, in), which ``starts`` has by the name of the layer."""
    start = deepcopy(body.peft_config[OWN])
    start.lora_dropout = 0.0  # it stands for weights, which have none; peft would draw it a mask of its own
    with shown_in_float32(body):
        body.add_adapter(START, start)
    layers = lora_layers(body)
    for name, (left, right) in starts.items():
        _set_factors(layers[name], OWN, left, right)
        _set_factors(layers[name], START, -left, right)
    body.base_model.set_adapter([OWN, START])
    body.set_requires_grad(START, False)


def until_joined(settings: Any, body: Any, length: FitLength) -> FitHooks:
    """Return hooks that make one LoRA of two at the end of a fit, where there are two."""
    return FitHooks(finish=lambda: _join(body)) if START in body.peft_config else FitHooks()


def _join(body: Any) -> None:
    """Make one LoRA of both: B A − B₀ A₀ = [B, −B₀] [A; A₀]."""
    config = body.peft_config[OWN]
    config.r, config.lora_alpha = 2 * config.r, 2 * config.lora_alpha  # the scale stays as it is
    for layer in lora_layers(body).values():
        left = torch.cat([layer.lora_B[name].weight.detach() for name in (OWN, START)], dim=1)  # (out, 2 rank)
        right = torch.cat([layer.lora_A[name].weight.detach() for name in (OWN, START)], dim=0)  # (2 rank, in)
        with shown_in_float32(layer):
            layer.update_layer(OWN, config.r, config.lora_alpha, config=config)
        _set_factors(layer, OWN, left, right)
    body.delete_adapter(START)
    body.set_adapter(OWN)


@torch.no_grad()
def _set_factors(layer: Any, name: str, left: Tensor, right: Tensor) -> None:
    layer.lora_B[name].weight.copy_(left)
    layer.lora_A[name].weight.copy_(right)
