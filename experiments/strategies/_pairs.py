"""The LoRAs that are trained in a model, as remedies see them: the factors of each module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

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


def of_product(pair: Pair, measure: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """Return a number that is computed of B A, whose gradients are made on the way there; a scalar.

    Composed of torch's own operations it would keep matrices of out × in for each module until the backward pass.

    ``measure`` takes B A (out, in) and returns the number and its gradient G (out, in), of which B has G Aᵀ and A has
    Bᵀ G.
    """
    through: Any = _Product.apply
    value: Tensor = through(pair.b, pair.a, measure)
    return value


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, b: Tensor, a: Tensor, measure: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        value, slope = measure(b @ a)
        ctx.save_for_backward(slope @ a.T, b.T @ slope)
        return value

    @staticmethod
    def backward(ctx: Any, outgoing: Tensor) -> tuple[Tensor, Tensor, None]:
        for_b, for_a = ctx.saved_tensors
        return outgoing * for_b, outgoing * for_a, None
