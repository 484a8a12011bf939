"""A task's model: the adapted backbone, what the task's kind reads off it, and the head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.network import Network

if TYPE_CHECKING:
    from adapter_workbench.workbench.backbone.pretrained import Pooling
    from adapter_workbench.workbench.backbone.prompts import Demonstrations
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.kind import Kind


@dataclass(frozen=True)
class Batch:
    """What a penalty may look at."""

    model: TaskModel  # in training
    read: Tensor  # what the head sees, as the kind reads it
    # logits that the rows brought with them (batch, logits), NaN where a row has none; None without any
    remembered: Tensor | None
    # of the rows, before anything is added and without a gradient; a scalar
    loss: Tensor = field(default_factory=lambda: torch.zeros(()))


Penalty = Callable[[Batch], Tensor]
BESIDE = ("labels", "group", "remembered")  # of a batch: what the body does not read
Correction = Callable[[int], None]  # steps done → the gradients of the trained weights are changed in place


class TaskModel(Network):
    """Token states → what the kind reads off them (a feature vector a text, or each token's state) → logits.

    Attributes:
        kind: the task's kind: what is read, the loss, how an answer is made.
        penalty: added to the loss while the model trains, where there is one: a method's regulariser, or what keeps a
            stream's earlier tasks.
        correction: called in a fit at each optimiser step, where there is one: the gradients of all accumulated batches
            are there and clipped, and the optimiser takes what it leaves.
        frozen: whether the body stays in evaluation mode while the model trains: a head alone learns, from features
            that are always the same.
    """

    frozen = False
    accepts_loss_kwargs = False  # read by Trainer: the loss is a mean, not to be rescaled

    def __init__(self, body: nn.Module, head: nn.Module, kind: Kind, pooling: Pooling, precision: Precision) -> None:
        """Put the parts together; nothing is copied, but where the accelerator has memory of its own."""
        super().__init__(body, head, pooling, precision)
        self.kind = kind
        self.penalty: Penalty | None = None
        self.correction: Correction | None = None
        if shown := getattr(body, "demonstrations", ()):
            self.demonstrate(shown)

    def under(self, head: nn.Module) -> TaskModel:
        """Return the same body, in evaluation mode, under another head."""
        return TaskModel(self.body, head, self.kind, self.pooling, self.precision).eval()

    def demonstrate(self, shown: Demonstrations) -> None:
        """Put solved examples before every question; for bodies of the library ``prompting``, which stores them."""
        body: Any = self.body
        body.demonstrations = shown
        self.kind = replace(self.kind, demonstrations=shown)  # type: ignore[type-var]  # causal-lm is a dataclass

    def forward(
        self,
        labels: Tensor | None = None,
        group: Tensor | None = None,
        remembered: Tensor | None = None,
        features: Tensor | None = None,
        **inputs: Tensor,
    ) -> dict[str, Tensor]:
        """Return ``logits`` (batch, labels; or as the kind reads) and, where labels are given, the mean ``loss``.

        ``group`` (batch,) says which of several heads answers a row (:class:`Heads`).
        ``features`` (batch, hidden_size; or as the kind reads) are what the kind read before of ``inputs``: the body is
        not run again.
        """
        if features is None:
            read, labels = self.kind.read(self, inputs, labels)
        else:
            read = features
        logits = self.head(read) if group is None else self.head(read, group)
        if labels is None:
            return {"logits": logits}
        loss = self.kind.loss(logits, labels)
        if self.training and self.penalty:
            loss = loss + self.penalty(Batch(self, read, remembered, loss.detach()))
        return {"loss": loss, "logits": logits}

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the parts; a frozen body is in evaluation mode in either."""
        if not self.frozen:
            return super().train(mode)
        self.training = mode
        self.head.train(mode)
        if self.body.training:
            self.body.eval()
        return self

    def trainable(self) -> dict[str, nn.Parameter]:
        """Return the parameters that a fit changes, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}
