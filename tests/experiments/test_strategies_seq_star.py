"""seq-star: after the first task nothing changes that an earlier task is answered with, but for new rows of a head."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, State
from adapter_workbench.experiments.strategies._heads import head_for
from adapter_workbench.experiments.strategies._kept_rows import hold, release
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk

HIDDEN, LABELS = 32, 2
TOLD = SCENARIOS.get("task-incremental")


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def body(state: State) -> dict[str, Tensor]:
    (path,) = (state.existing / "body").glob("*.safetensors")
    return load_file(path)


def heads(state: State) -> dict[str, dict[str, Tensor]]:
    return {path.stem: load_file(path) for path in (state.existing / "heads").iterdir()}


@pytest.mark.parametrize("method", ["full", "lora"])
def test_own_heads_learn_on_the_body_of_the_first_task(
    method: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    strategy, budget = STRATEGIES.get("seq-star"), budget.model_copy(update={"epochs": 1})
    context = context_for(adapted(method, backbone), budget, tasks, tmp_path, strategy.settings())
    states = walk(strategy, context, tmp_path)
    for stage, state in enumerate([START, *states[:2]], start=1):
        begun = opened(strategy, at(context, stage), state)
        strategy.prepare(begun)
        trained = begun.model.trainable()
        assert any(name.startswith("body.") for name in trained) == (stage == 1)
        assert any(name.startswith("head.") for name in trained)
    first, *later = map(body, states)
    for other in later:
        assert other.keys() == first.keys()
        assert all(torch.equal(other[name], tensor) for name, tensor in first.items())
    for before, after in pairwise(states):
        old, new = heads(before), heads(after)
        assert all(torch.equal(new[name][part], tensor) for name in old for part, tensor in old[name].items())
    fresh = head_for(at(context, 2), states[0], tasks[1]).weight
    assert not torch.equal(heads(states[1])[tasks[1].name]["weight"], fresh), "the new head is trained"
    identities = [strategy.identity(state, tasks[0], at(context, stage)) for stage, state in enumerate(states, start=1)]
    assert len(set(identities)) == 1
    assert strategy.identity(states[2], tasks[1], context) != identities[0]


def test_rows_of_earlier_labels_stay_though_weights_decay(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """A shared head has two rows more with each task; what is trained of it are these."""
    strategy, budget = STRATEGIES.get("seq-star"), budget.model_copy(update={"epochs": 1})
    adaptation = adapted("lora", backbone, weight_decay=0.5)
    context = context_for(adaptation, budget, tasks, tmp_path, strategy.settings(), "class-incremental")
    records = []
    for stage in (1, 2, 3):
        (folder := tmp_path / str(stage)).mkdir()
        before = State(tmp_path / str(stage - 1), "") if stage > 1 else State(None, "")
        record = strategy.learn(before, at(context, stage), folder)
        records.append((record.trainable_parameters, load_file(folder / "heads" / "all.safetensors")))
    assert [trained for trained, _ in records[1:]] == [LABELS * (HIDDEN + 1)] * 2
    for stage, ((_, before), (_, after)) in enumerate(pairwise(records), start=1):
        assert after.keys() == before.keys() == {"weight", "bias"}
        assert len(after["weight"]) == LABELS * (stage + 1)
        for name, tensor in before.items():
            assert torch.equal(after[name][: len(tensor)], tensor)


def test_old_rows_count_in_the_softmax_of_the_new(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """The gradient of mean cross-entropy on the new rows is Σ (p − y) hᵀ ÷ n, p over old and new labels."""
    strategy, budget = STRATEGIES.get("seq-star"), budget.model_copy(update={"epochs": 1})
    settings = strategy.settings()
    context = context_for(adapted("lora", backbone), budget, tasks[:2], tmp_path, settings, "class-incremental")
    (state,) = walk(strategy, at(context, 1), tmp_path)
    stage = opened(strategy, context, state)
    strategy.prepare(stage)
    assert all(name.startswith("head.") for name in stage.model.trainable())
    head, features = stage.own_head, torch.randn(7, HIDDEN, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([2, 3, 2, 3, 3, 2, 2])
    stage.model.kind.loss(head(features), labels).backward()
    wrong = (features @ head.weight.T + head.bias).softmax(dim=1) - torch.eye(4)[labels]
    gradient = head.parametrizations.weight.original.grad
    torch.testing.assert_close(gradient, (wrong.T @ features / 7)[LABELS:].detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("held_rows", "added"), [((0, 1), [0.0, 0, 1, 1, 1]), ((3, 1), [1.0, 0, 1, 0, 1])])
def test_a_released_head_is_the_layer_that_it_was(held_rows: tuple[int, ...], added: list[float]) -> None:
    head = torch.nn.Linear(3, 5)
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    hold(head, held_rows)
    held = dict(head.named_parameters())
    assert [len(parameter) for parameter in held.values()] == [3, 3]
    with torch.no_grad():
        held["parametrizations.bias.original"].add_(1)
    release(head)
    assert head.state_dict().keys() == before.keys()
    assert torch.equal(head.weight, before["weight"])
    torch.testing.assert_close(head.bias, before["bias"] + torch.tensor(added))


def test_what_cannot_be_frozen_is_refused() -> None:
    strategy = STRATEGIES.get("seq-star")
    assert strategy.objection(strategy.settings(), "lora", ["classification", "regression"], TOLD) is None
    assert "adalora" in (strategy.objection(strategy.settings(), "adalora", ["classification"], TOLD) or "")
    assert "in-context" in (strategy.objection(strategy.settings(), "in-context", ["classification"], TOLD) or "")
    assert "causal-lm" in (strategy.objection(strategy.settings(), "lora", ["causal-lm"], TOLD) or "")
