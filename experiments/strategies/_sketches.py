"""Sketches of weights: a few numbers of each, by which a model is known as the one that a training has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

NEAR = 0.01  # of the sketches' norm: rounding to bfloat16 changes a fifth of it


@torch.no_grad()
def sketches_of(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return W g for each weight W (rows, …), g drawn from the standard normal distribution, always the same: (rows,).

    ‖(W − W*) g‖² has the expectation ‖W − W*‖².
    """
    sketches = {}
    for name, weight in weights.items():
        rows = weight.detach().float().flatten(1) if weight.ndim > 1 else weight.detach().float()[:, None]
        generator = torch.Generator().manual_seed(rows.shape[1])
        sketches[name] = (rows @ torch.randn(rows.shape[1], generator=generator).to(rows.device)).cpu()
    return sketches


def are_other(weights: Mapping[str, Tensor], sketches: Mapping[str, Tensor]) -> bool:
    """Return whether weights are not those, by name, of which there are sketches."""
    now = sketches_of(weights)
    if now.keys() != sketches.keys():
        return True
    gap = sum(float((now[name] - kept).square().sum()) for name, kept in sketches.items())
    return gap > NEAR**2 * sum(float(kept.square().sum()) for kept in sketches.values())
