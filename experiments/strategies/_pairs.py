"""The LoRAs that are trained in a model, as remedies see them: the factors of each module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Pair:
    """One module's LoRA, scale · B A."""

    a: Tensor  # (rank, in)
    b: Tensor  # (out, rank)
    scale: float


def pairs(body: nn.Module) -> dict[str, Pair]:
    """Return the LoRAs whose B is trained, by the name of their module in ``body``; in its order."""
    by_module: dict[str, Pair] = {}
    for name, module in body.named_modules():
        layer: Any = module
        for adapter in [*getattr(layer, "lora_B", ())]:
            a, b = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
            if b.requires_grad:
                by_module[name] = Pair(a, b, layer.scaling[adapter])
    return by_module
