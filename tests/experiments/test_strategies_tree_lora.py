"""tree-lora: the penalty's gradient, the tree and the bandit's scores by their formulas, and what they lead to.

Expected values follow the program that the authors published, but for the sign of the distances: see the module.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, State
from adapter_workbench.experiments.strategies.tree_lora import FILE, Bandit, Half, halves, scores
from adapter_workbench.fusion.updates.lora import layers
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.model import Batch
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import adapted, at, context_for, opened, walk

STRATEGY = STRATEGIES.get("tree-lora")
MODULES = 4  # query and value of two layers


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def first_factors(body: nn.Module) -> dict[str, nn.Parameter]:
    return {name: layer.lora_A["default"].weight for name, layer in layers(body).items()}


def kept(state: State) -> dict[str, Tensor]:
    return load_file(state.existing / FILE)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).unsqueeze(1)


def test_the_penalty_has_the_gradient_of_its_formula(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    """−λ (n ÷ N) L G ÷ Σ ⟨A, G⟩ for each A, and no other gradient; n begins anew with each epoch."""
    budget = budget.model_copy(update={"epochs": 1})
    context = context_for(adapted("lora", backbone, rank=2), budget, (task, other_task), tmp_path, STRATEGY.settings())
    (state,) = walk(STRATEGY, at(context, 1), tmp_path)
    stage = opened(STRATEGY, context, state)
    factors, earlier = first_factors(stage.model.body), {name: rows[0].numpy() for name, rows in kept(state).items()}
    with torch.no_grad():
        for factor in factors.values():
            factor.add_(torch.randn(factor.shape, generator=torch.Generator().manual_seed(1)), alpha=0.05)
    now = {name: factor.detach().flatten().numpy().copy() for name, factor in factors.items()}
    along = sum(float(now[name] @ earlier[name]) for name in now)
    penalty, batches = STRATEGY.penalty(stage, 0.5), 64 // budget.batch_size
    for step in range(2 * batches):
        stage.model.zero_grad()
        loss = penalty(Batch(stage.model, torch.zeros(1), None, torch.tensor(0.7)))
        loss.backward()
        weight = 0.5 * (step % batches) / batches * 0.7
        assert loss.item() == pytest.approx(-weight, rel=1e-4)
        for name, factor in factors.items():
            expected = -weight * earlier[name] / along
            np.testing.assert_allclose(factor.grad.flatten().numpy(), expected, rtol=1e-3, atol=1e-7)
    changed = {name for name, parameter in stage.model.named_parameters() if parameter.grad is not None}
    assert len(changed) == MODULES
    assert all("lora_A" in name for name in changed)


def test_the_first_factor_of_every_task_is_kept(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    budget = budget.model_copy(update={"epochs": 1})
    context = context_for(adapted("lora", backbone, rank=2), budget, tasks, tmp_path, STRATEGY.settings())
    states = walk(STRATEGY, context, tmp_path)
    for stage, state in enumerate(states, start=1):
        own, stored = first_factors(STRATEGY.model_for(state, tasks[0], at(context, stage)).body), kept(state)
        assert len(stored) == MODULES
        for name, rows in stored.items():
            assert rows.shape == (stage, 2 * 32)
            torch.testing.assert_close(rows[-1], own[name].detach().flatten())
            torch.testing.assert_close(rows[:-1], kept(states[stage - 2])[name] if stage > 1 else rows[:0])


def test_strength_draws_the_new_task_towards_the_one_before(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    """⟨A, A₁⟩ after the second task, over all modules."""
    products: list[float] = []
    for strength in (0.0, 100.0):
        folder, settings = tmp_path / str(strength), STRATEGY.settings(strength=strength)
        context = context_for(adapted("lora", backbone, rank=2), budget, (task, other_task), folder, settings)
        rows = kept(walk(STRATEGY, context, folder)[-1]).values()
        products.append(sum(float(first @ second) for first, second in rows))
    assert products[1] > 1.05 * products[0]


def test_a_task_counts_as_often_as_it_was_chosen() -> None:
    """√(ln(2 N (n + 1) (n + 2)) ÷ 2c) − m, entry by entry."""
    distances, counts = np.array([[6.0, 0.0], [1.5, 2.0]]), np.array([[3.0, 0.0], [1.0, 4.0]])
    result = scores(torch.from_numpy(distances), torch.from_numpy(counts), 4, 20)
    expected: NDArray[np.float64] = np.empty((2, 2))
    for position, count in np.ndenumerate(counts):
        mean = distances[position] / count if count else 0.0
        expected[position] = math.sqrt(math.log(2 * 20 * 5 * 6)) / math.sqrt(2 * count + 1e-5) - mean
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)
    assert result[0, 1] > 100, "what was never chosen comes first"


def test_the_tree_cuts_tasks_at_the_median() -> None:
    """By hand: changes 3, 1, 2, −1 have mean 1.25, and products 3.75, 1.25, 2.5, −1.25 with the lower median 1.25.

    Of the second matrix, the near ones changed 1, 2, 0.5: products with their mean 7/6 have the median 7/6.
    """
    near, far = halves([column(3, 4, 6, 5), column(1, 3, 3.5, 12.5)])
    assert (near.tasks, far) == ([0, 1, 2], Half([3], 1.0))
    assert near.factor == pytest.approx(7 / 6)


def test_tasks_that_changed_alike_are_cut_in_the_middle() -> None:
    """The second half changed 3 and 3: 9 is more than 1.5."""
    assert halves([column(2, 4, 6), column(1, 4, 7)]) == [Half([0], 1.0), Half([1, 2], 1.5)]
    assert halves([column(2, 4, 6)]) == [Half([0], 1.0), Half([1, 2], 1.0)], "there is no second matrix"
    assert halves([column(2)]) == []


def test_near_tasks_are_chosen_more_often_and_every_epoch_begins_anew() -> None:
    """Far tasks are 139 away, near ones 0: scores ÷ their range are about 1 apart, and e ÷ (1 + e) = 0.73."""
    rounds = 400
    earlier = [torch.tensor([[70.0, -68.0], [1.0, 2.0]]), torch.tensor([[0.0, 3.0, 4.0], [70.0, 0.0, 70.0]])]
    now = [earlier[0][1], earlier[1][0]]
    bandit, epochs = Bandit(earlier, rounds, seed=0), list[list[list[float]]]()
    for _ in range(2):
        chosen = [bandit.choose(now) for _ in range(rounds)]
        epochs.append([[float(row.sum()) for row in rows] for rows in chosen])
        assert bandit.counts.sum(dim=0).tolist() == [rounds, rounds]
        near = bandit.counts[1, 0] / rounds, bandit.counts[0, 1] / rounds
        assert all(0.65 < share < 0.8 for share in near)
        assert bandit.distances[1, 0] == pytest.approx(0, abs=1e-2)
        assert bandit.distances[0, 0] == pytest.approx(139 * float(bandit.counts[0, 0]), rel=1e-4)
    assert epochs[0] == epochs[1]


def test_only_a_lora_is_drawn() -> None:
    settings, named = STRATEGY.settings(), SCENARIOS.get("task-incremental")
    assert STRATEGY.objection(settings, "lora", ["classification"], named) is None
    assert STRATEGY.objection(settings, "full", ["classification"], named) == "needs method lora, not full"
