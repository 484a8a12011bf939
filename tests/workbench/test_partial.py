"""Gradual unfreezing of partial fine-tuning: in epoch e the last e blocks are trained (ULMFiT, sec. 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import fit


@dataclass
class Watching(Silent):
    """Notes after each step which of the two blocks are not as they were."""

    body: nn.Module
    moved: list[list[bool]] = field(default_factory=list)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        begun = self._weights()

        def advance(step: int, epoch: float, loss: float) -> None:
            self.moved.append([not torch.equal(now, old) for now, old in zip(self._weights(), begun, strict=True)])

        yield advance

    def _weights(self) -> list[Tensor]:
        blocks = [self.body.get_submodule(f"encoder.layer.{number}") for number in (0, 1)]
        return [nn.utils.parameters_to_vector(block.parameters()).detach().clone() for block in blocks]


def test_one_more_block_is_trained_each_epoch(backbone: Backbone, task: Task, budget: Budget) -> None:
    settings = METHODS.get("partial").settings.model_validate({"unfreeze": "gradual", "last_k": 2})
    adaptation = Adaptation(backbone, "partial", settings, "fp32")
    model = adaptation.fresh(task.kind, len(task.labels), seed=0)
    watching = Watching(model.body)
    fit(model, task, adaptation, budget.model_copy(update={"epochs": 2}), 0, watching, "test")
    first, second = watching.moved[: len(watching.moved) // 2], watching.moved[-1]
    assert {tuple(blocks) for blocks in first[1:]} == {(False, True)}
    assert second == [True, True]
