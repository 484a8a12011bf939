"""Linear heads: those of several tasks over the same features, and one whose labels change.

Rows of labels that stay are kept, and every row has the position of its label.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

NEVER = -1e4  # bias of a label that is never given; float32 has its exponential as 0


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


def silent_rows(labels: int, width: int) -> tuple[Tensor, Tensor]:
    """Return weight (labels, width) and bias (labels,) under which no label is ever given: see :func:`head_rows`."""
    return torch.zeros(labels, width), torch.full((labels,), NEVER)


def remapped(head: nn.Linear, sources: Sequence[Sequence[int]], fresh: nn.Linear | None = None) -> nn.Linear:
    """Return a linear head with the rows of ``head`` for other labels: see :func:`head_rows`.

    Args:
        head: (width → old labels).
        sources: for each new label the positions of the old labels that it comes from.
        fresh: (width → new labels), for labels without a source; without it such labels are never given.
    """
    rows = (fresh.weight, fresh.bias) if fresh is not None else silent_rows(len(sources), head.in_features)
    device = head.weight.device
    with torch.no_grad():
        weight, bias = head_rows(head.weight, head.bias, sources, (rows[0].to(device), rows[1].to(device)))
    other = torch.nn.Linear(head.in_features, len(sources), device=device)
    other.load_state_dict({"weight": weight, "bias": bias})
    return other


def head_rows(
    weight: Tensor, bias: Tensor, sources: Sequence[Sequence[int]], fresh: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a head after its labels changed.

    With w the rows of the old head and n_i the number of new labels that come from the old label i, a new label that
    comes from the old labels S has the row mean_{i∈S} w_i and the bias log Σ_{i∈S} exp(b_i) / n_i. So a label that
    stays has its own row to the last bit. Over the labels that have a source, the parts of a split label together have
    the probability that the label had, whatever the text; so has a merged one if its labels had equal rows. A label
    without a source has its row of ``fresh``.

    Args:
        weight: of the old head (old labels, width).
        bias: of the old head (old labels,).
        sources: for each new label the positions of the old labels that it comes from.
        fresh: weight (new labels, width) and bias (new labels,) of a new head, for labels without a source.

    Raises:
        ValueError: a position that the old head does not have, or a fresh head of another shape.
    """
    positions = {position for group in sources for position in group}
    if any(not 0 <= position < len(weight) for position in positions):
        raise ValueError(f"a head of {len(weight)} labels has no rows {sorted(positions)}")
    fresh_weight, fresh_bias = fresh
    if fresh_weight.shape != (len(sources), weight.shape[1]) or fresh_bias.shape != (len(sources),):
        raise ValueError(f"a fresh head {tuple(fresh_weight.shape)} for {len(sources)} labels")
    parts = Counter(position for group in sources for position in group)
    rows, biases = [], []
    for label, group in enumerate(sources):
        if not group:
            rows.append(fresh_weight[label])
            biases.append(fresh_bias[label])
            continue
        index = torch.tensor(sorted(group), device=weight.device)
        shares = torch.tensor([parts[position] for position in sorted(group)], dtype=bias.dtype, device=bias.device)
        rows.append(weight[index].mean(dim=0))  # (width,)
        biases.append(torch.logsumexp(bias[index] - shares.log(), dim=0))
    return torch.stack(rows), torch.stack(biases)
