"""Rows of a layer that stay as they are, whatever the optimiser does, beside rows that are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization, remove_parametrizations

if TYPE_CHECKING:
    from torch import Tensor


class PartlyTrained(nn.Module):
    """Puts rows that are trained after, or before, rows that stay.

    Attributes:
        fixed: the rows that stay (rows, …).
    """

    fixed: Tensor

    def __init__(self, fixed: Tensor, last: bool) -> None:
        """Keep a copy of ``fixed``, which stand first, or ``last``."""
        super().__init__()
        self.last = last
        self.register_buffer("fixed", fixed.detach().clone(), persistent=False)

    def forward(self, trained: Tensor) -> Tensor:
        """Return all rows."""
        return torch.cat([trained, self.fixed] if self.last else [self.fixed, trained])

    def right_inverse(self, rows: Tensor) -> Tensor:
        """Return the rows that are trained."""
        count = len(self.fixed)
        return rows[: len(rows) - count].clone() if self.last else rows[count:].clone()


def hold(layer: nn.Module, rows: int, last: bool = False) -> None:
    """Keep the first ``rows`` rows of all parameters of a layer, or its ``last``; only the others are trained."""
    for name, parameter in [*layer.named_parameters()]:
        fixed = parameter[len(parameter) - rows :] if last else parameter[:rows]
        register_parametrization(layer, name, PartlyTrained(fixed, last))


def release(layer: nn.Module) -> None:
    """Make a held layer an ordinary one again, with the same rows."""
    if is_parametrized(layer):
        parametrizations: Any = layer.parametrizations  # a ModuleDict
        for name in [*parametrizations]:
            remove_parametrizations(layer, name)
