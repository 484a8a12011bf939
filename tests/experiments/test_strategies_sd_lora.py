"""sd-lora: directions of earlier tasks stay, their magnitudes are trained, and the sum is that of the paper."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._branches import NOW, PAST, summed
from adapter_workbench.experiments.strategies.sd_lora import Magnitudes
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lora import layers
from adapter_workbench.fusion.updates.lowrank import LowRank
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import adapted, at, context_for, opened, walk

RANK = 2
Matrix = NDArray[np.float64]


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def updates(past: LowRank, count: int) -> list[Matrix]:
    """The update of each task by itself, dense: (out, in)."""
    b, a = past.b.double().numpy(), past.a.double().numpy()
    assert b.shape[1] == count * RANK
    return [b[:, k : k + RANK] @ a[k : k + RANK] for k in range(0, count * RANK, RANK)]


def test_earlier_directions_stay_and_their_magnitudes_learn(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    strategy, adaptation = STRATEGIES.get("sd-lora"), adapted("lora", backbone, rank=RANK, alpha=6)
    context = context_for(adaptation, budget, tasks, tmp_path, strategy.settings())
    bodies = [lora.read(state.existing / "body") for state in walk(strategy, context, tmp_path)]
    changes = []
    for stage, (before, after) in enumerate(pairwise(bodies), start=1):
        for name, pair in before.items():
            for old, new in zip(updates(pair, stage), updates(after[name], stage + 1), strict=False):
                magnitude, changed = np.linalg.norm(old), np.linalg.norm(new)
                np.testing.assert_allclose(new / changed, old / magnitude, atol=1e-5)
                changes.append(changed / magnitude)
    assert len(changes) == 4 * (1 + 2), "each module and earlier task"
    assert np.abs(np.array(changes) - 1).min() > 1e-4, "every magnitude is trained"


def test_the_weight_is_the_sum_of_magnitudes_times_directions(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """ΔW = Σ αₖ Bₖ Aₖ ÷ ‖Bₖ Aₖ‖, recomputed dense; at first the model is the one before."""
    strategy, budget = STRATEGIES.get("sd-lora"), budget.model_copy(update={"epochs": 1})
    adaptation = adapted("lora", backbone, rank=RANK, alpha=6)
    context = context_for(adaptation, budget, tasks, tmp_path, strategy.settings())
    *_, state = walk(strategy, at(context, 2), tmp_path)
    stage = opened(strategy, context, state)
    strategy.prepare(stage)
    trained = {name for name in stage.model.trainable() if name.startswith("body.")}
    assert {".".join(name.split(".")[-3:]) for name in trained} == {
        f"magnitudes.{PAST}.values",
        f"lora_A.{NOW}.weight",
        f"lora_B.{NOW}.weight",
    }
    assert len(trained) == 3 * 4, "in each module the magnitudes, and A and B of the new pair"
    rows = tasks[1].splits["validation"]
    as_it_was = predict(strategy.model_for(state, tasks[1], at(context, 2)), rows, backbone.tokenizer, 16)
    begun = predict(
        stage.model.under(strategy.model_for(state, tasks[1], at(context, 2)).head), rows, backbone.tokenizer, 16
    )
    np.testing.assert_allclose(begun, as_it_was, rtol=1e-4, atol=1e-5)
    stored, adapted_layers = lora.read(state.existing / "body"), layers(stage.model.body)
    for index, (name, layer) in enumerate(adapted_layers.items()):
        values = layer.magnitudes[PAST].values
        expected = [np.linalg.norm(update) for update in updates(stored[name], 2)]
        np.testing.assert_allclose(values.detach().numpy(), expected, rtol=1e-5)
        with torch.no_grad():
            values.copy_(torch.tensor([0.25 + index, -1.5]))
    for index, (name, pair) in enumerate(summed(stage.model.body).items()):
        first, second = (update / np.linalg.norm(update) for update in updates(stored[name], 2))
        expected = (0.25 + index) * first - 1.5 * second
        np.testing.assert_allclose(pair.b.double().numpy() @ pair.a.double().numpy(), expected, atol=1e-5)


def test_a_task_that_taught_nothing_has_no_direction() -> None:
    generator = torch.Generator().manual_seed(0)
    b, a = torch.randn(5, 2 * RANK, generator=generator), torch.randn(2 * RANK, 4, generator=generator)
    b[:, :RANK] = 0
    magnitudes = Magnitudes(LowRank(b, a), 2)
    scaled = magnitudes(b)
    torch.testing.assert_close(scaled, b)
    scaled.square().sum().backward()
    assert magnitudes.trained.values.grad is not None
    assert magnitudes.trained.values.grad.isfinite().all()
