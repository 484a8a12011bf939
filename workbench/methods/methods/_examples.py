"""What training examples tell a LoRA before its first step: what its matrices read, and where a step would move them.

Examples go through the model one by one, so that nothing is padded and every token counts.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.methods._counterweight import has_learned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from datasets import Dataset
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

    Prepare = Callable[[Any, TaskModel, Task, PreTrainedTokenizerBase, Budget, int], None]
    Hook = Callable[[Any, tuple[Tensor, ...], Tensor], None]


def starting(begin: Callable[[Any, TaskModel, list[dict[str, Tensor]]], None]) -> Prepare:
    """Return how a method begins at training examples: a LoRA that was trained before goes on as it is.

    ``begin`` gets the method's settings, the fresh model and the examples, as many as the settings say.
    """

    def prepare(
        settings: Any, model: TaskModel, task: Task, tokenizer: PreTrainedTokenizerBase, budget: Budget, seed: int
    ) -> None:
        if not has_learned(model.body):
            begin(settings, model, examples(settings.examples, model, task, tokenizer, budget.max_length, seed))

    return prepare


def examples(
    count: int, model: TaskModel, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int, seed: int
) -> list[dict[str, Tensor]]:
    """Return ``count`` training examples, drawn by ``seed``, each as a batch of its own where the model is."""
    train: Dataset = task.splits["train"]
    rows = train.select(sorted(random.Random(seed).sample(range(len(train)), min(count, len(train)))))
    collate = model.kind.collate(tokenizer)
    return [to_device_of(model, collate([row])) for row in model.kind.encode(rows, tokenizer, max_length)]


def read_inputs(model: TaskModel, batches: list[dict[str, Tensor]], visit: Callable[[str, Tensor], None]) -> None:
    """Call ``visit`` with a LoRA layer's name and what it reads (tokens, in), in float32: all layers, all batches."""

    def hook(name: str) -> Hook:
        return lambda layer, given, output: visit(name, _vectors(given[0]))

    with _watch(model, hook), torch.no_grad():
        for batch in batches:
            model(**batch)


def gradients(model: TaskModel, batches: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the gradient (out, in) of the mean loss by the matrix below each LoRA, by the layer's name.

    It is Σ δ xᵀ over tokens, of what a layer reads and the gradient δ of what it gives: the matrix itself stays frozen.
    """
    by_layer: dict[str, Tensor] = {}

    def hook(name: str) -> Hook:
        def watch(layer: Any, given: tuple[Tensor, ...], output: Any) -> None:
            read = _vectors(given[0])  # (tokens, in)

            def add(gradient: Tensor) -> None:
                moved = _vectors(gradient).T @ read / len(batches)  # (out, in)
                by_layer[name] = by_layer[name] + moved if name in by_layer else moved

            output.register_hook(add)

        return watch

    with _watch(model, hook):
        for batch in batches:
            model(**batch)["loss"].backward()
            model.zero_grad(set_to_none=True)
    return by_layer


@contextmanager
def _watch(model: TaskModel, hook: Callable[[str], Hook]) -> Iterator[None]:
    """Run the block in evaluation mode, with a hook on each layer that a LoRA is on."""
    training = model.training
    handles = [layer.register_forward_hook(hook(name)) for name, layer in lora_layers(model.body).items()]
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()


def _vectors(states: Tensor) -> Tensor:
    return states.detach().flatten(0, -2).float()
