"""The diagonal Fisher information of a body's trained weights: how much each of them matters for the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.machine.memory import freed_for_reuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor, nn

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task


def fisher_information(
    model: TaskModel, head: nn.Module, task: Task, backbone: Backbone, max_length: int, examples: int, seed: int
) -> dict[str, Tensor]:
    """Return the diagonal Fisher information of the body's trained weights; arguments as for :func:`evidence`."""
    weights = {name: parameter for name, parameter in model.body.named_parameters() if parameter.requires_grad}
    return diagonal(weights, evidence(model, head, task, backbone, max_length, examples, seed))


@freed_for_reuse()
def diagonal(weights: Mapping[str, nn.Parameter], evidence: Iterable[Iterable[Tensor]]) -> dict[str, Tensor]:
    """Return the mean over examples of squared gradients of the log-likelihood, by parameter name.

    Args:
        weights: of which it is the information.
        evidence: of each example, the scalars whose squared gradients add up to its own.
    """
    sums, count = {name: torch.zeros_like(weight) for name, weight in weights.items()}, 0
    for directions in evidence:
        count += 1
        for direction in directions:
            gradients = torch.autograd.grad(direction, list(weights.values()), retain_graph=True, allow_unused=True)
            for name, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    sums[name].addcmul_(gradient, gradient)
    return {name: (total / count).cpu() for name, total in sums.items()}


def evidence(
    model: TaskModel, head: nn.Module, task: Task, backbone: Backbone, max_length: int, examples: int, seed: int
) -> Iterator[Iterator[Tensor]]:
    """Yield for some training examples the scalars whose squared gradients add up to their Fisher information.

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
    encoded = kind.encode(rows.select(drawn(len(rows), examples, seed)), tokenizer, max_length)
    collate = kind.collate(tokenizer)
    model.eval()
    for row in encoded:
        yield _directions(model, head, task, to_device_of(model, collate([row])))


def drawn(rows: int, count: int, seed: int) -> list[int]:
    """Return the indices of ``count`` rows in their order, or of all where there are fewer."""
    return sorted(torch.randperm(rows, generator=torch.Generator().manual_seed(seed))[:count].tolist())


def label_directions(logits: Tensor) -> Iterator[Tensor]:
    """Yield the C − 1 scalars of a text's logits (labels,): see :mod:`adapter_workbench.experiments.strategies.ewc`."""
    p = logits.detach().double().cpu().softmax(dim=-1)
    values, vectors = torch.linalg.eigh(p.diag() - torch.outer(p, p))  # ascending; the first value is 0
    for factor in (values.clamp(min=0).sqrt() * vectors).T[1:]:
        yield factor.to(logits) @ logits


def _directions(model: TaskModel, head: nn.Module, task: Task, batch: dict[str, Tensor]) -> Iterator[Tensor]:
    """Yield the scalars whose squared gradients add up to the Fisher information of the one row of ``batch``."""
    labels = batch.pop("labels")
    if task.kind != "classification":
        decisions = len(task.labels) if task.kind == "multilabel" else (labels != -100).sum()
        yield -model(labels=labels, **batch)["loss"] * decisions  # the loss is their mean
        return
    read, _ = model.kind.read(model, batch, None)
    yield from label_directions(head(read).squeeze(0))
