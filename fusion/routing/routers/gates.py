"""gates: a sigmoid gate in front of each LoRA module, trained afterwards on the adapter's own task.

What differs: the paper routes each token in each module to the two adapters that fit best, by a softmax. Here one
adapter answers a whole text: how well its gates fit is averaged over the text's tokens and over modules, on the hidden
states of the frozen backbone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from adapter_workbench.fusion.routing.routers import Router, RouterSettings
from adapter_workbench.fusion.target.reader import READS_FEATURES, by_module
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.settings.bounds import BatchSize, LearningRate, Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from adapter_workbench.fusion.routing.routers import Part, Query
    from adapter_workbench.fusion.target.reader import Reader
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task


class Settings(RouterSettings):
    """How the gates are trained; nothing else is."""

    steps: Whole = Field(100, description="optimiser steps")
    learning_rate: LearningRate = 5e-3
    batch_size: BatchSize = 16


def fit(adapter: StoredAdapter, task: Task | None, reader: Reader, settings: Settings) -> Part:
    """Return module → the gate g (in,) that minimises the adapter's loss with W u + σ(gᵀ u) ΔW u in its modules.

    The gates begin at 0. Adapter, head and backbone stay as they are, dropout is off.

    Raises:
        InputError: the adapter is no plain LoRA, changes no module that reads the states of tokens, or its task is
            missing.
    """
    if task is None:
        raise InputError(f"the gates of {adapter.id} need its training examples")
    if not (modules := list(lora.read(adapter.folder))):
        message = f"{adapter.id} changes no module that reads the states of tokens: there is nothing to put a gate at"
        raise InputError(message, hint=READS_FEATURES)
    model = open_adapter(adapter, reader.backbone).eval().requires_grad_(False)
    gates = {name: _install(model.body.get_submodule(f"{lora.PREFIX}{name}")) for name in modules}
    rows = task.splits["train"]
    encoded = model.kind.encode(rows, reader.backbone.tokenizer, reader.max_length)
    collate = model.kind.collate(reader.backbone.tokenizer)
    _train(model, list(gates.values()), encoded, collate, adapter.manifest.seed_here, settings)
    return {name: gate.detach().cpu() for name, gate in gates.items()}


def _install(layer: Any) -> Tensor:
    """Put a gate in front of the update of a peft LoRA ``layer`` and return its vector (in,)."""
    gate = torch.zeros(layer.in_features, device=layer.weight.device, requires_grad=True)
    opened: list[Tensor] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        opened[:] = [torch.sigmoid(inputs[0].float() @ gate).unsqueeze(-1)]  # (batch, tokens, 1)

    def close(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output * opened[0].to(output.dtype)

    layer.register_forward_pre_hook(look)
    layer.lora_B["default"].register_forward_hook(close)
    return gate


def _train(
    model: TaskModel,
    gates: list[Tensor],
    encoded: list[dict[str, Any]],
    collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]],
    seed: int,
    settings: Settings,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(gates, lr=settings.learning_rate, weight_decay=0.0)
    size, order = min(settings.batch_size, len(encoded)), torch.empty(0, dtype=torch.long)
    for _ in range(settings.steps):
        if len(order) < size:
            order = torch.cat([order, torch.randperm(len(encoded), generator=generator)])
        batch, order = collate([encoded[int(index)] for index in order[:size]]), order[size:]
        optimizer.zero_grad()
        model(**to_device_of(model, batch))["loss"].backward()
        optimizer.step()


def prepare(parts: Sequence[Part], settings: Settings) -> dict[str, Tensor]:
    """Return module → the adapters' vectors (adapters, in).

    Raises:
        InputError: the adapters change different modules.
    """
    return by_module(parts)


def score(vectors: Mapping[str, Tensor], query: Query, settings: Settings) -> NDArray[np.floating[Any]]:
    """Return the mean over tokens and modules of the gates' :func:`correlation`: (texts, adapters)."""
    return query.reader.matches(query.rows, vectors, correlation)


def correlation(states: Tensor, vectors: Tensor) -> Tensor:
    """Return the cosine of states (…, in) and vectors (adapters, in), both less their mean: (…, adapters)."""
    cosine: Tensor = _standard(states) @ _standard(vectors).T
    return cosine


def _standard(vectors: Tensor) -> Tensor:
    centred = vectors - vectors.mean(dim=-1, keepdim=True)
    standard: Tensor = centred / centred.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return standard


ROUTER = Router(
    title="PHATGOOSE gates, one choice a text",
    paper="Muqeeth et al. 2024, arXiv:2402.05859, § 3",
    settings=Settings,
    fit=fit,
    score=score,
    prepare=prepare,
    meaning="correlation with the gates of the task, from -1 to 1",
    reads_features=False,
    libraries=("peft",),
)
