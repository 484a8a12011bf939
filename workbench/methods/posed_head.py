"""An adapter's head for a task with the same labels in another order, or with numbers of another mean and spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.methods.task import Task


class PosedHead(nn.Module):
    """What a head gives, in the order and the unit of another task: (…, hidden_size) → logits (…, labels)."""

    def __init__(self, head: nn.Module, columns: list[int], factor: float, shift: float) -> None:
        """Take the head's logits at ``columns``, all of them where there are none, times ``factor`` plus ``shift``."""
        super().__init__()
        self.head, self.columns, self.factor, self.shift = head, columns, factor, shift

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits as the task reads them."""
        logits: Tensor = self.head(features)
        if self.columns:
            logits = logits.index_select(-1, torch.tensor(self.columns, device=logits.device))
        return logits if (self.factor, self.shift) == (1.0, 0.0) else logits * self.factor + self.shift


def posed(head: nn.Module, own: TaskReference, task: Task) -> nn.Module:
    """Return a head whose logits are those of ``task``, which has the labels of ``own``; ``head`` if they are already.

    A number that a regression gives is logit × spread + mean, with the spread and mean of the task that it learned.

    Args:
        head: of an adapter.
        own: the adapter's task.
        task: that is asked; labels of the same names, whatever their order.
    """
    columns = [] if own.labels == task.labels else [own.labels.index(label) for label in task.labels]
    factor, shift = 1.0, 0.0
    if own.scale and task.scale and own.scale != task.scale:
        (centre, spread), (asked_centre, asked_spread) = own.scale, task.scale
        factor, shift = spread / asked_spread, (centre - asked_centre) / asked_spread
    return PosedHead(head, columns, factor, shift) if columns or (factor, shift) != (1.0, 0.0) else head
