"""Rows of a layer that stay as they are, whatever the optimiser does, beside rows that are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization, remove_parametrizations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class PartlyTrained(nn.Module):
    """Puts rows that are trained among rows that stay.

    Attributes:
        fixed: the rows that stay (rows, …).
        order: for each row its position among those that stay, followed by those that are trained.
    """

    fixed: Tensor
    order: Tensor

    def __init__(self, rows: Tensor, held: Sequence[int]) -> None:
        """Keep a copy of the rows at the positions ``held``."""
        super().__init__()
        self.trained = [position for position in range(len(rows)) if position not in {*held}]
        self.register_buffer("fixed", rows[list(held)].detach().clone(), persistent=False)
        order = torch.tensor([*held, *self.trained], device=rows.device).argsort()
        self.register_buffer("order", order, persistent=False)

    def forward(self, trained: Tensor) -> Tensor:
        """Return all rows."""
        return torch.cat([self.fixed, trained])[self.order]

    def right_inverse(self, rows: Tensor) -> Tensor:
        """Return the rows that are trained."""
        return rows[self.trained].clone()


def hold(layer: nn.Module, rows: Sequence[int]) -> None:
    """Keep the rows of all parameters of a layer that stand at the positions ``rows``; only the others are trained."""
    for name, parameter in [*layer.named_parameters()]:
        register_parametrization(layer, name, PartlyTrained(parameter, rows))


def release(layer: nn.Module) -> None:
    """Make a held layer an ordinary one again, with the same rows."""
    if is_parametrized(layer):
        parametrizations: Any = layer.parametrizations  # a ModuleDict
        for name in [*parametrizations]:
            remove_parametrizations(layer, name)
