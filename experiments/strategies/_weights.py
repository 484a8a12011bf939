"""The shared weights as tensors by name, and distances between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


def body_weights(body: nn.Module) -> dict[str, Tensor]:
    """Return a copy of what a fit changes of ``body``, by parameter name."""
    return {name: each.detach().clone() for name, each in body.named_parameters() if each.requires_grad}


def distance(body: nn.Module, start: dict[str, Tensor], importance: dict[str, Tensor] | None = None) -> Tensor:
    """Return Σ Fₖ (θₖ − θ*ₖ)² over all trained numbers k of ``body``, Fₖ = 1 without ``importance``; a scalar.

    ``start`` and ``importance`` are moved to where ``body`` is, once: a fit may take it to another device.
    """
    parts = []
    for name, each in body.named_parameters():
        if each.requires_grad:
            square = (each - _beside(each, start, name)).square()
            parts.append((square if importance is None else _beside(each, importance, name) * square).sum())
    return torch.stack(parts).sum()


def _beside(parameter: Tensor, tensors: dict[str, Tensor], name: str) -> Tensor:
    tensors[name] = tensors[name].to(parameter.device)
    return tensors[name]
