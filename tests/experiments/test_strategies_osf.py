"""osf: what the first singular directions of each matrix hold stays, and steps are those of PEFT's layer run beside."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import OSFConfig
from peft.tuners.osf.layer import Linear as PeftLinear
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.strategies.osf import Preserving
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk

STRATEGY = STRATEGIES.get("osf")
RANK = 4
Matrix = NDArray[np.float64]


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def weights(body: nn.Module) -> dict[str, Matrix]:
    return {name: weight.detach().double().numpy() for name, weight in body.named_parameters()}


def is_split(name: str) -> bool:
    """Query, key, value and output of attention, and both halves of the feed-forward network."""
    return name.startswith("encoder.") and name.endswith(".weight") and "LayerNorm" not in name


def begun(context: Context, state: State) -> TaskModel:
    """The model of a stage before its first step."""
    stage = opened(STRATEGY, context, state)
    STRATEGY.prepare(stage)
    return stage.model


def test_first_directions_stay_and_more_of_them_with_each_task(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """U₁ᵀ W = S₁ V₁ᵀ and W V₁ = U₁ S₁, under weight decay; what is no matrix is as it was, to the last bit."""
    adaptation = adapted("full", backbone, weight_decay=0.5)
    settings = STRATEGY.settings(preserved=0.25, growth=0.25)
    context = context_for(adaptation, budget, tasks, tmp_path, settings)
    states = walk(STRATEGY, context, tmp_path)
    bodies = [adaptation.fresh("classification", 2, 0).body]
    bodies += [STRATEGY.model_for(state, tasks[0], at(context, stage)).body for stage, state in enumerate(states, 1)]
    for (before, after), share in zip(pairwise(map(weights, bodies)), (0.25, 0.5, 0.75), strict=True):
        for name, old in before.items():
            new = after[name]
            if not is_split(name):
                np.testing.assert_array_equal(new, old, err_msg=name)
                continue
            u, s, v = np.linalg.svd(old, full_matrices=False)
            rank = int(share * len(s))
            np.testing.assert_allclose(u[:, :rank].T @ new, s[:rank, None] * v[:rank], atol=3e-4, err_msg=name)
            np.testing.assert_allclose(new @ v[:rank].T, u[:, :rank] * s[:rank], atol=3e-4, err_msg=name)
            assert np.linalg.norm(new - old) > 0.01, f"{name} learns along the other directions"
            assert np.linalg.matrix_rank(new - old, tol=1e-3) <= len(s) - rank
    assert sum(map(is_split, weights(bodies[0]))) == 2 * 6


def split_and_peft(out: int, size: int) -> tuple[nn.Linear, PeftLinear, Tensor, Tensor]:
    """The same random matrix here and in PEFT, and what to learn."""
    torch.manual_seed(out)
    plain = nn.Linear(size, out, bias=False)
    theirs = PeftLinear(copy.deepcopy(plain), "default", config=OSFConfig(), effective_rank=RANK)
    register_parametrization(plain, "weight", Preserving(RANK))
    return plain, theirs, torch.randn(20, size), torch.randn(20, out)


def trained(layer: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        (layer(x) - y).square().mean().backward()
        optimizer.step()


def peft_weight(layer: PeftLinear) -> Tensor:
    return (layer.base_layer.weight + layer.get_delta_weight("default")).detach()


@pytest.mark.parametrize(("out", "size"), [(6, 10), (10, 6), (8, 8)])
def test_plain_gradient_steps_are_those_of_peft(out: int, size: int) -> None:
    ours, theirs, x, y = split_and_peft(out, size)
    start = peft_weight(theirs)
    torch.testing.assert_close(ours.weight.detach(), start)
    trained(ours, torch.optim.SGD(ours.parameters(), lr=0.5), x, y, 30)
    trained(theirs, torch.optim.SGD(theirs.osf_svd_params.parameters(), lr=0.5), x, y, 30)
    assert (ours.weight - start).norm() > 0.05
    torch.testing.assert_close(ours.weight.detach(), peft_weight(theirs), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("out", "size"), [(6, 10), (10, 6), (8, 8)])
def test_no_optimiser_leaves_the_subspace(out: int, size: int) -> None:
    """AdamW with weight decay, which does leave it where gradients alone are projected, as in PEFT."""
    ours, theirs, x, y = split_and_peft(out, size)
    start = peft_weight(theirs)
    u, s, v = torch.linalg.svd(start, full_matrices=False)
    held, read = s[:RANK, None] * v[:RANK], u[:, :RANK] * s[:RANK]
    options = {"lr": 0.02, "weight_decay": 0.5}
    trained(ours, torch.optim.AdamW(ours.parameters(), **options), x, y, 30)
    trained(theirs, torch.optim.AdamW(theirs.osf_svd_params.parameters(), **options), x, y, 30)
    assert (ours.weight - start).norm() > 0.05
    for weight, stays in ((ours.weight.detach(), True), (peft_weight(theirs), False)):
        gaps = (u[:, :RANK].T @ weight - held).abs().max(), (weight @ v[:RANK].T - read).abs().max()
        assert (max(gaps) < 1e-5) == stays


def test_matrices_are_made_in_full_precision() -> None:
    ours, *_ = split_and_peft(6, 10)
    whole = ours.weight.detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ours.weight.detach(), whole)


def test_each_task_begins_as_the_one_before_ended(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """And trains three factors of each matrix, and its head; at first, where nothing stays, the matrix itself."""
    budget = budget.model_copy(update={"epochs": 1})
    context = context_for(adapted("full", backbone), budget, tasks[:2], tmp_path, STRATEGY.settings())
    first, head = begun(at(context, 1), START), {"head.weight", "head.bias"}
    names = {name.removeprefix("body.") for name, _ in first.named_parameters()} - head
    assert {name.removeprefix("body.") for name in first.trainable()} - head == {*filter(is_split, names)}
    (state,) = walk(STRATEGY, at(context, 1), tmp_path)
    second = begun(context, state)
    factors = [name for name in second.trainable() if name not in head]
    assert len(factors) == 3 * 12
    assert {name.rpartition(".")[2] for name in factors} == {"original0", "original1", "original2"}
    asked, rows = STRATEGY.model_for(state, tasks[0], at(context, 1)), tasks[0].splits["validation"]
    as_it_was = predict(asked, rows, backbone.tokenizer, budget.max_length)
    at_first = predict(second.under(asked.head), rows, backbone.tokenizer, budget.max_length)
    np.testing.assert_allclose(at_first, as_it_was, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("preserved", "growth", "size", "expected"),
    [
        (0.0, 0.25, 32, [0, 8, 16, 24, 24]),  # (t − 1) ÷ 4, and after four tasks no more
        (0.3, 0.2, 10, [3, 5, 7, 8, 8]),  # the shares of PEFT's example with three tasks
        (0.58, 0.0, 100, [58, 58]),
        (0.9, 0.1, 3, [2, 2]),
        (0.99, 0.0, 4, [3, 3]),
    ],
)
def test_ranks_grow_as_the_settings_say(preserved: float, growth: float, size: int, expected: list[int]) -> None:
    settings = STRATEGY.settings(preserved=preserved, growth=growth)
    assert [settings.rank(stage, size) for stage in range(1, len(expected) + 1)] == expected


def test_full_fine_tuning_and_room_to_learn_are_needed() -> None:
    kinds, named = ["classification"], SCENARIOS.get("task-incremental")
    assert STRATEGY.objection(STRATEGY.settings(), "full", kinds, named) is None
    assert STRATEGY.objection(STRATEGY.settings(), "lora", kinds, named) == "needs method full, not lora"
    with pytest.raises(ValidationError, match="at most 1 together"):
        STRATEGY.settings(preserved=0.9, growth=0.2)
