"""One frozen LoRA that holds those of all earlier tasks, and beside it a fresh one: the sum answers, and is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import stack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.fusion.updates.lowrank import LowRank
    from adapter_workbench.workbench.methods.model import TaskModel

PAST, NOW = "past", "default"


class Branches(SharedWeights):
    """Its state is that of sequential; ``body`` is the sum of all LoRAs, and its rank grows with each task."""

    method = "lora"

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the earlier LoRAs as one frozen LoRA, and beside it a fresh one."""
        if state.folder is None:
            return super().begin(context, state, head)
        task = context.posed[-1]
        # from the same seed at each stage, the new A would begin as the first task's
        model = context.adaptation.fresh(task.kind, len(task.labels), context.stage_seed).under(head)
        body = model.body
        body.load_adapter(state.folder / "body", PAST, is_trainable=False)  # type: ignore[operator]  # a PeftModel
        body.base_model.set_adapter([PAST, NOW])  # type: ignore[operator, union-attr]
        for name, parameter in body.named_parameters():
            parameter.requires_grad = f".{NOW}." in name
        return model

    def save(self, stage: Stage, folder: Path) -> None:
        """Write all LoRAs as one, side by side."""
        if stage.state.folder is None:
            super().save(stage, folder)
            return
        adaptation = stage.context.adaptation
        body, _ = lora.attach(adaptation.backbone, summed(stage.model.body))
        adaptation.library.save(body, folder)


def summed(body: nn.Module) -> Mapping[str, LowRank]:
    """Return the sum of the frozen LoRA and the trained one, the factors side by side."""
    pairs = {
        name: [lora.pair_in(layer, adapter) for adapter in (PAST, NOW)] for name, layer in lora.layers(body).items()
    }
    return {name: stack(branches, [1.0, 1.0]) for name, branches in pairs.items()}
