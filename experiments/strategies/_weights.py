"""The shared weights as tensors by name, and distances between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


def body_weights(body: nn.Module) -> dict[str, Tensor]:
    """Return a copy of what a fit changes of ``body``, by parameter name."""
    return {name: each.detach().clone() for name, each in body.named_parameters() if each.requires_grad}


def distance(body: nn.Module, start: Mapping[str, Tensor], importance: Mapping[str, Tensor] | None = None) -> Tensor:
    """Return Σ Fₖ (θₖ − θ*ₖ)² over all trained numbers k of ``body``, Fₖ = 1 without ``importance``; a scalar."""
    parts = []
    for name, each in body.named_parameters():
        if each.requires_grad:
            square = (each - start[name]).square()
            parts.append((square if importance is None else importance[name] * square).sum())
    return torch.stack(parts).sum()
