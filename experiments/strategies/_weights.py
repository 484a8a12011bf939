"""The shared weights as tensors by name, and distances between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


def body_weights(body: nn.Module) -> dict[str, Tensor]:
    """Return a copy of what a fit changes of ``body``, by parameter name."""
    return {name: parameter.detach().clone() for name, parameter in body.named_parameters() if parameter.requires_grad}


def distance(body: nn.Module, start: dict[str, Tensor], importance: dict[str, Tensor] | None = None) -> Tensor:
    """Return Σ Fₖ (θₖ − θ*ₖ)² over the trained numbers k of ``body``, Fₖ = 1 without ``importance``; a scalar.

    What a method adds for the time of a fit, as the gates of diff-pruning, has no start and is not held. ``start`` and
    ``importance`` are moved to where ``body`` is, once: a fit may take it to another device.
    """
    square: Any = _WeightedSquare.apply
    parts = []
    for name, parameter in body.named_parameters():
        if parameter.requires_grad and name in start:
            weights = None if importance is None else on_device_of(parameter, importance, name)
            parts.append(square(parameter, on_device_of(parameter, start, name), weights))
    return torch.stack(parts).sum()


class _WeightedSquare(torch.autograd.Function):
    """Σ Fₖ (θₖ − θ*ₖ)² of one tensor, whose gradient 2 F (θ − θ*) is kept on the way there.

    Composed of torch's own operations it goes over memory about three times as often, at every step of a fit.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, start: Tensor, importance: Tensor | None) -> Tensor:
        gap = weights - start
        pull = gap if importance is None else gap * importance
        ctx.save_for_backward(pull)
        return torch.dot(pull.flatten(), gap.flatten())

    @staticmethod
    def backward(ctx: Any, outgoing: Tensor) -> tuple[Tensor, None, None]:
        (pull,) = ctx.saved_tensors
        return 2 * outgoing * pull, None, None


def on_device_of(parameter: Tensor, tensors: dict[str, Tensor], name: str) -> Tensor:
    """Return a tensor where ``parameter`` is, and leave it there in ``tensors``."""
    tensors[name] = tensors[name].to(parameter.device)
    return tensors[name]
