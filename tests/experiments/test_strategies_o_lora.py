"""o-lora: orthogonal LoRAs side by side, and the sum that is stored."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.strategies._branches import NOW, PAST, summed
from adapter_workbench.experiments.strategies.o_lora import OLora
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import Update
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.model import Batch
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk

RANK = 2


@pytest.fixture(scope="module")
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


@pytest.fixture(scope="module")
def learned(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Context, list[State]]:
    """A context of three tasks with one epoch each, and the states after the first two; nobody writes there."""
    strategy, folder = STRATEGIES.get("o-lora"), tmp_path_factory.mktemp("o-lora")
    budget = budget.model_copy(update={"epochs": 1})
    context = context_for(adapted("lora", backbone, rank=RANK), budget, tasks, folder, strategy.settings())
    return context, walk(strategy, at(context, 2), folder)


@pytest.fixture(scope="module")
def unpenalised(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path_factory: pytest.TempPathFactory
) -> Update:
    """What o-lora stores after two tasks with strength 0."""
    folder = tmp_path_factory.mktemp("unpenalised")
    return stored_after_two("o-lora", backbone, tasks, budget, folder, strength=0.0)


def stored_after_two(
    name: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, folder: Path, **settings: float
) -> Update:
    """Learn the first two tasks; return the sum that is stored."""
    strategy = STRATEGIES.get(name)
    given = strategy.settings(**settings)
    context = context_for(adapted("lora", backbone, rank=RANK), budget, tasks[:2], folder, given)
    *_, state = walk(strategy, context, folder)
    return lora.read(state.existing / "body")


def cosine(update: Update) -> float:
    """Σ ‖A_past A_nowᵀ‖² ÷ Σ ‖A_past‖² ‖A_now‖² over modules, of the last pair against all before it."""
    above = below = 0.0
    for pair in update.values():
        past, now = pair.a[:-RANK], pair.a[-RANK:]
        above += float((past @ now.T).square().sum())
        below += float(past.square().sum() * now.square().sum())
    return above / below


def dense_sum(body: Any) -> dict[str, torch.Tensor]:
    """s B A of both LoRAs of each module, added up."""
    layers = {name: module for name, module in body.named_modules() if hasattr(module, "lora_B")}
    return {
        name.removeprefix(lora.PREFIX): sum(
            layer.scaling[adapter] * layer.lora_B[adapter].weight.detach() @ layer.lora_A[adapter].weight.detach()
            for adapter in (PAST, NOW)
        )
        for name, layer in layers.items()
    }


def test_strength_makes_the_inputs_orthogonal(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path, unpenalised: Update
) -> None:
    penalised = stored_after_two("o-lora", backbone, tasks, budget, tmp_path, strength=10.0)
    assert cosine(penalised) < cosine(unpenalised) / 20


def test_the_control_of_what_stacks_loras_is_a_strategy_without_its_penalty(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path, unpenalised: Update
) -> None:
    control = stored_after_two("stacked", backbone, tasks, budget, tmp_path / "stacked")
    ella = stored_after_two("ella", backbone, tasks, budget, tmp_path / "ella", strength=0.0)
    for without in (unpenalised, ella):
        assert without.keys() == control.keys()
        for module, pair in without.items():
            assert torch.equal(pair.b, control[module].b)
            assert torch.equal(pair.a, control[module].a)


def test_stored_sum_is_past_plus_now_and_keeps_the_past(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = STRATEGIES.get("o-lora")
    adaptation = adapted("lora", backbone, rank=RANK, alpha=6)  # s = 3: rounding would show
    context = context_for(adaptation, budget, tasks, tmp_path, strategy.settings())
    save, seen = OLora.save, []

    def noted(self: OLora, stage: Any, folder: Path) -> None:
        rows = stage.task.splits["validation"]
        logits = predict(stage.model, rows, backbone.tokenizer, budget.max_length)
        seen.append((logits, dense_sum(stage.model.body) if stage.state.folder else {}))
        save(self, stage, folder)

    monkeypatch.setattr(OLora, "save", noted)
    states = walk(strategy, context, tmp_path)
    updates = [lora.read(state.folder / "body") for state in states if state.folder]
    for stage, (state, update, (logits, dense)) in enumerate(zip(states, updates, seen, strict=True), start=1):
        assert {pair.rank for pair in update.values()} == {stage * RANK}
        model = strategy.model_for(state, tasks[stage - 1], at(context, stage))
        rows = tasks[stage - 1].splits["validation"]
        np.testing.assert_allclose(
            predict(model, rows, backbone.tokenizer, budget.max_length), logits, rtol=1e-4, atol=1e-5
        )
        for name, whole in dense.items():
            torch.testing.assert_close(update[name].b @ update[name].a, whole, rtol=1e-5, atol=1e-7)
        assert not dense or dense.keys() == update.keys()
    for before, after in pairwise(updates):
        for name, pair in before.items():
            assert torch.equal(after[name].a[: pair.rank], pair.a)
            assert torch.equal(after[name].b[:, : pair.rank], pair.b)


def test_new_pair_alone_is_trained_and_begins_elsewhere(learned: tuple[Context, list[State]]) -> None:
    strategy, (context, states) = STRATEGIES.get("o-lora"), learned
    began: list[torch.Tensor] = []
    for stage, state in enumerate([START, *states], start=1):
        model = opened(strategy, at(context, stage), state).model
        trained = {name for name in model.trainable() if name.startswith("body.")}
        assert trained
        assert all(f".{NOW}." in name for name in trained)
        assert len(trained) == 2 * 4, "A and B of query and value in two layers"
        layer = next(module for module in model.body.modules() if hasattr(module, "lora_B"))
        began.append(layer.lora_A[NOW].weight.detach().clone())
        assert not layer.lora_B[NOW].weight.any(), "the sum is at first what it was"
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(began[first], began[second])


def test_overlap_is_the_squared_frobenius_norm(learned: tuple[Context, list[State]]) -> None:
    context, (state, _) = learned
    stage = opened(STRATEGIES.get("o-lora"), at(context, 2), state)
    value = STRATEGIES.get("o-lora").penalty(stage, 1.0)(Batch(stage.model, torch.zeros(1), None)).item()
    expected = sum(
        float((pair.a[:RANK].double() @ pair.a[RANK:].double().T).square().sum())
        for pair in summed(stage.model.body).values()
    )
    assert value == pytest.approx(expected, rel=1e-5)
    assert expected > 0
