"""o-lora: each task adds its own LoRA; a penalty keeps its input directions orthogonal to those of earlier LoRAs.

ΔW = Σᵢ sᵢ Bᵢ Aᵢ over all tasks so far; only the last pair is trained, with λ Σᵢ ‖Aᵢ Aₜᵀ‖² added to the loss, λ the
strength (Wang et al. 2023, arXiv:2310.14152, eq. 6–8). The sum answers all tasks and is stored as one LoRA of rank
t · r.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from experiments.strategies._shared import RemedySettings, SharedWeights
from fusion import lora
from fusion.lowrank import LowRank, stack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from experiments.strategies import Context, State
    from experiments.strategies._stage import Stage
    from workbench.model import Batch, Penalty, TaskModel

PAST, NOW = "past", "default"


class OLora(SharedWeights):
    """Its state is that of sequential; the rank of ``body`` grows with each task."""

    settings = RemedySettings
    method = "lora"

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the earlier LoRAs as one frozen LoRA, and beside it a fresh one."""
        if state.folder is None:
            return super().begin(context, state, head)
        task, adaptation, seed = context.posed[-1], context.adaptation, context.seed
        # a seed of the stage's own: from the same one, the new A would begin as the first task's
        model = adaptation.fresh(task.kind, len(task.labels), seed + 1000 * (len(context.tasks) - 1)).under(head)
        body = model.body
        body.load_adapter(state.folder / "body", PAST, is_trainable=False)  # type: ignore[operator]  # a PeftModel
        body.base_model.set_adapter([PAST, NOW])  # type: ignore[operator, union-attr]
        for name, parameter in body.named_parameters():
            parameter.requires_grad = f".{NOW}." in name
        return model

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ Σ ‖A Aₜᵀ‖² over modules, A the rows of all earlier tasks."""
        return lambda batch: strength * overlap(batch)

    def save(self, stage: Stage, folder: Path) -> None:
        """Write all LoRAs as one, side by side."""
        if stage.state.folder is None:
            super().save(stage, folder)
            return
        adaptation = stage.context.adaptation
        body, _ = lora.attach(adaptation.backbone, summed(stage.model.body))
        adaptation.library.save(body, folder)


def overlap(batch: Batch) -> Tensor:
    """Return Σ ‖A_past A_nowᵀ‖²_F over the adapted modules; a scalar."""
    products = [layer.lora_A[PAST].weight @ layer.lora_A[NOW].weight.T for layer in _layers(batch.model.body).values()]
    return torch.stack([each.square().sum() for each in products]).sum()


def summed(body: nn.Module) -> Mapping[str, LowRank]:
    """Return the sum of the frozen LoRA and the trained one, the factors side by side."""
    return {name: stack([_pair(layer, PAST), _pair(layer, NOW)], [1.0, 1.0]) for name, layer in _layers(body).items()}


def _pair(layer: Any, adapter: str) -> LowRank:
    b, a = layer.lora_B[adapter].weight.detach(), layer.lora_A[adapter].weight.detach()
    return LowRank(layer.scaling[adapter] * b, a)


def _layers(body: nn.Module) -> dict[str, Any]:
    found = {name.removeprefix(lora.PREFIX): module for name, module in body.named_modules()}
    return {name: module for name, module in found.items() if hasattr(module, "lora_B")}


STRATEGY = OLora()
