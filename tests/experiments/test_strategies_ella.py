"""ella: the penalty and its gradient in numpy, the shrinkage that the paper derives, and updates that overlap less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._branches import NOW
from adapter_workbench.experiments.strategies._pairs import Pair, of_product
from adapter_workbench.experiments.strategies.ella import _overlap
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lora import layers
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.model import Batch
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk

RANK, ALPHA = 2, 6  # s = 3
Matrix = NDArray[np.float64]


def factors(layer: torch.nn.Module) -> tuple[Matrix, Matrix]:
    b, a = (getattr(layer, name)[NOW].weight.detach().double().numpy() for name in ("lora_B", "lora_A"))
    return b, a


def test_the_penalty_is_the_squared_overlap_with_all_earlier_updates(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    """λ Σ (s B A W)² entry by entry, W the sum of one and of two tasks' updates; gradients of the new pair alone."""
    strategy, budget = STRATEGIES.get("ella"), budget.model_copy(update={"epochs": 1})
    tasks = (task, other_task, make_task("fruits", FRUITS, SUBJECTS))
    context = context_for(
        adapted("lora", backbone, rank=RANK, alpha=ALPHA), budget, tasks, tmp_path, strategy.settings()
    )
    states = walk(strategy, at(context, 2), tmp_path)
    for count, before in enumerate(states, start=2):
        stage = opened(strategy, at(context, count), before)
        past = {name: (pair.b @ pair.a).double().numpy() for name, pair in lora.read(before.existing / "body").items()}
        new = layers(stage.model.body)
        for layer in new.values():
            torch.nn.init.normal_(layer.lora_B[NOW].weight, generator=torch.Generator().manual_seed(0))
        penalty = strategy.penalty(stage, 1e4)(Batch(stage.model, torch.zeros(1), None))
        penalty.backward()
        expected = 0.0
        for name, layer in new.items():
            b, a = factors(layer)
            overlap = 3 * (b @ a) * past[name]
            slope = 1e4 * 2 * 3 * overlap * past[name]
            expected += 1e4 * float((overlap**2).sum())
            np.testing.assert_allclose(layer.lora_B[NOW].weight.grad.numpy(), slope @ a.T, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(layer.lora_A[NOW].weight.grad.numpy(), b.T @ slope, rtol=1e-4, atol=1e-6)
        assert penalty.item() == pytest.approx(expected, rel=1e-5)
        assert expected > 0
        changed = {name for name, parameter in stage.model.named_parameters() if parameter.grad is not None}
        assert len(changed) == 2 * len(new)
        assert strategy.strengths(strategy.settings(strength=(0.5, 2)), count) == (0.5, 2.0)
    assert strategy.strengths(strategy.settings(strength=(0.5, 2)), 1) == [None], "nothing came before the first task"
    assert strategy.state_before(opened(strategy, at(context, 1), START)) is None


def test_an_update_is_shrunk_most_where_earlier_tasks_changed_most() -> None:
    """Of ‖X − G‖² + λ ‖X ⊙ W‖² the minimum is X = G ÷ (1 + λ W²), entry by entry: the paper's shrinkage."""
    generator, strength = torch.Generator().manual_seed(0), 7.0
    goal, past = torch.randn(5, 4, generator=generator), torch.randn(5, 4, generator=generator)
    best = (goal / (1 + strength * past**2)).requires_grad_()
    penalty = strength * of_product(Pair(best, torch.eye(5), 1.0), lambda product: _overlap(past, product))
    ((best - goal).square().sum() + penalty).backward()
    assert best.grad is not None
    torch.testing.assert_close(best.grad, torch.zeros(5, 4), rtol=0, atol=1e-5)


def test_strength_makes_updates_that_overlap_less(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    """Σ ΔW₁² ΔW₂². The first task has no penalty, so that the control differs in the second alone."""
    strategy, totals = STRATEGIES.get("ella"), {}
    budget = budget.model_copy(update={"epochs": 3})
    for strength in (0.0, 3.0):
        folder = tmp_path / str(strength)
        adaptation = adapted("lora", backbone, rank=RANK)
        context = context_for(adaptation, budget, (task, other_task), folder, strategy.settings(strength=strength))
        *_, state = walk(strategy, context, folder)
        pairs = lora.read(state.existing / "body").values()
        updates = [(pair.b[:, :RANK] @ pair.a[:RANK], pair.b[:, RANK:] @ pair.a[RANK:]) for pair in pairs]
        sums = [[float(matrix.square().sum()) for matrix in (older, newer, older * newer)] for older, newer in updates]
        totals[strength] = np.array(sums).sum(axis=0)
    first, second, together = totals[3.0] / totals[0.0]
    assert first == 1
    assert second > 0.05, "the new task is learned"
    assert together < second / 3, "less of the update is left where the first task's is large than elsewhere"
