"""The heads of several tasks over the same features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Heads(nn.Module):
    """One linear layer for each of several tasks; their logits stand side by side, in the tasks' order.

    Attributes:
        each: the heads (hidden_size → labels of the task).
        owner: which head a logit is of (all labels,).
    """

    owner: Tensor

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        """Put ``heads`` side by side; nothing is copied."""
        super().__init__()
        self.each = nn.ModuleList(heads)
        sizes = torch.tensor([len(head.weight) for head in heads])  # type: ignore[arg-type]  # they are linear layers
        self.register_buffer("owner", torch.arange(len(sizes)).repeat_interleave(sizes), persistent=False)

    def forward(self, features: Tensor, group: Tensor | None = None) -> Tensor:
        """Return all logits (batch, all labels); −∞ for labels that are not those of a row's ``group`` (batch,)."""
        logits = torch.cat([head(features) for head in self.each], dim=-1)
        return logits if group is None else logits.masked_fill(self.owner != group.unsqueeze(-1), -math.inf)
