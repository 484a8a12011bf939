"""n-lora: the penalty and its gradient in numpy, and updates that collide less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._branches import NOW
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lora import layers
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.model import Batch
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.stages import START, adapted, at, context_for, opened, walk

RANK, ALPHA = 2, 6  # s = 3
Matrix = NDArray[np.float64]


def factors(layer: torch.nn.Module) -> tuple[Matrix, Matrix]:
    b, a = (getattr(layer, name)[NOW].weight.detach().double().numpy() for name in ("lora_B", "lora_A"))
    return b, a


def test_the_penalty_is_the_sum_of_absolute_entries(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    """λ Σ |s B A| entry by entry, and its gradients λ s sign(B A) Aᵀ and λ s Bᵀ sign(B A): of the new pair alone."""
    strategy, budget = STRATEGIES.get("n-lora"), budget.model_copy(update={"epochs": 1})
    adaptation = adapted("lora", backbone, rank=RANK, alpha=ALPHA)
    context = context_for(adaptation, budget, (task, other_task), tmp_path, strategy.settings())
    (state,) = walk(strategy, at(context, 1), tmp_path)
    for count, before in ((1, START), (2, state)):
        stage = opened(strategy, at(context, count), before)
        for layer in layers(stage.model.body).values():
            torch.nn.init.normal_(layer.lora_B[NOW].weight, generator=torch.Generator().manual_seed(0))
        penalty = strategy.penalty(stage, 0.25)(Batch(stage.model, torch.zeros(1), None))
        penalty.backward()
        pairs = [factors(layer) for layer in layers(stage.model.body).values()]
        assert penalty.item() == pytest.approx(0.25 * sum(np.abs(3 * b @ a).sum() for b, a in pairs), rel=1e-5)
        for layer, (b, a) in zip(layers(stage.model.body).values(), pairs, strict=True):
            signs = 0.75 * np.sign(b @ a)
            np.testing.assert_allclose(layer.lora_B[NOW].weight.grad.numpy(), signs @ a.T, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(layer.lora_A[NOW].weight.grad.numpy(), b.T @ signs, rtol=1e-4, atol=1e-6)
        assert strategy.strengths(strategy.settings(strength=(0.5, 2)), count) == (0.5, 2.0)
        changed = {name for name, parameter in stage.model.named_parameters() if parameter.grad is not None}
        assert len(changed) == 2 * len(pairs)


def test_strength_makes_updates_that_collide_less(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    """Each task's Σ |ΔW|, the first's too, and Σ |ΔW₁| |ΔW₂|, which is 0 where no weight is changed by both."""
    strategy, totals = STRATEGIES.get("n-lora"), {}
    budget = budget.model_copy(update={"epochs": 3})
    for strength in (0.0, 1e-2):
        settings, folder = strategy.settings(strength=strength), tmp_path / str(strength)
        adaptation = adapted("lora", backbone, rank=RANK)
        context = context_for(adaptation, budget, (task, other_task), folder, settings)
        *_, state = walk(strategy, context, folder)
        pairs = lora.read(state.existing / "body").values()
        updates = [(pair.b[:, :RANK] @ pair.a[:RANK], pair.b[:, RANK:] @ pair.a[RANK:]) for pair in pairs]
        sums = [[float(matrix.abs().sum()) for matrix in (older, newer, older * newer)] for older, newer in updates]
        totals[strength] = np.array(sums).sum(axis=0)
    first, second, together = totals[1e-2] / totals[0.0]
    assert first < 0.5
    assert second < 0.5
    assert together < 0.1
