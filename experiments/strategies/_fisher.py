"""The diagonal Fisher information of a body's trained weights: how much each of them matters for the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.machine.memory import freed_for_reuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task


@freed_for_reuse()
def fisher_information(
    model: TaskModel, head: nn.Module, task: Task, backbone: Backbone, max_length: int, examples: int, seed: int
) -> dict[str, Tensor]:
    """Return the mean over training examples of squared gradients of the log-likelihood, by parameter name.

    Of a classification it is the exact expectation over the model's own answers, not over the labels in the data.

    Args:
        model: with the trained weights; gradients reach what requires them in its body.
        head: that answers the task.
        task: whose training examples are read.
        backbone: for its tokenizer.
        max_length: tokens of an example.
        examples: how many are drawn.
        seed: of the draw.
    """
    kind, tokenizer = model.kind, backbone.tokenizer
    rows = task.splits["train"]
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:examples]
    encoded = kind.encode(rows.select(sorted(chosen.tolist())), tokenizer, max_length)
    weights = {name: parameter for name, parameter in model.body.named_parameters() if parameter.requires_grad}
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    collate = kind.collate(tokenizer)
    model.eval()
    for row in encoded:
        for direction in _directions(model, head, task, to_device_of(model, collate([row]))):
            gradients = torch.autograd.grad(direction, list(weights.values()), retain_graph=True, allow_unused=True)
            for name, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    sums[name].addcmul_(gradient, gradient)
    return {name: (total / len(encoded)).cpu() for name, total in sums.items()}


def _directions(model: TaskModel, head: nn.Module, task: Task, batch: dict[str, Tensor]) -> Iterator[Tensor]:
    """Yield the scalars whose squared gradients add up to the Fisher information of the one row of ``batch``."""
    labels = batch.pop("labels")
    if task.kind != "classification":
        decisions = len(task.labels) if task.kind == "multilabel" else (labels != -100).sum()
        yield -model(labels=labels, **batch)["loss"] * decisions  # the loss is their mean
        return
    read, _ = model.kind.read(model, batch, None)
    logits = head(read).squeeze(0)  # (labels,)
    p = logits.detach().double().cpu().softmax(dim=-1)
    values, vectors = torch.linalg.eigh(p.diag() - torch.outer(p, p))  # ascending; the first value is 0
    for factor in (values.clamp(min=0).sqrt() * vectors).T[1:]:
        yield factor.to(logits) @ logits
