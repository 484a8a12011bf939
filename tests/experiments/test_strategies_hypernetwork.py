"""hypernetwork: what the network makes for earlier tasks stays as far as the strength, or freezing, holds it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.studies.stream.plan.plan import make_plan
from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.files.digest import size
from adapter_workbench.workbench.methods.libraries.hypernetwork import generator_of
from adapter_workbench.workbench.methods.model import Batch
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget, read
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.runs import stream_run
from tests.stages import START, adapted, at, context_for, opened, walk
from tests.streams import write_recipe

STRATEGY = STRATEGIES.get("hypernetwork")


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


@pytest.fixture
def context(backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path) -> Context:
    budget = budget.model_copy(update={"epochs": 3, "train_examples": 48})
    return context_for(adapted("hypernetwork", backbone, rank=2), budget, tasks, tmp_path, STRATEGY.settings())


def made(context: Context, state: State, task: Task) -> torch.Tensor:
    """All numbers of the LoRA that a state's network makes for a task."""
    body = STRATEGY.model_for(state, task, context).body
    matrices = [
        module.weight for name, module in body.named_modules() if name.endswith((".lora_A.default", ".lora_B.default"))
    ]
    return torch.cat([matrix.detach().flatten() for matrix in matrices])


def moved(context: Context, states: list[State], task: Task) -> float:
    """How far a task's LoRA is after the last stage from what it was after the first, relative to its length."""
    before, after = (made(context, state, task) for state in (states[0], states[-1]))
    return float((after - before).norm() / before.norm())


def test_strength_holds_what_the_network_makes_for_earlier_tasks(context: Context, tmp_path: Path) -> None:
    distances = {}
    for strength in (0.0, 100.0):
        own = replace(at(context, 2), settings=STRATEGY.settings(strength=strength))
        distances[strength] = moved(own, walk(STRATEGY, own, tmp_path / str(strength)), context.tasks[0])
    assert distances[0.0] > 0.1
    assert distances[100.0] < distances[0.0] / 10


def test_embeddings_alone_are_learned_and_earlier_answers_stay_to_the_last_bit(
    context: Context, tasks: tuple[Task, ...], tmp_path: Path
) -> None:
    context = replace(context, settings=STRATEGY.settings(trains="embedding"))
    states = walk(STRATEGY, context, tmp_path)

    def answers(stage: int, task: Task) -> str:
        model, rows = STRATEGY.model_for(states[stage - 1], task, context), task.splits["test"]
        return evaluate(model, rows, 2, context.adaptation.backbone.tokenizer, 16).logits_sha256

    digests = {(stage, task.name): answers(stage, task) for stage in (1, 2, 3) for task in tasks[:stage]}
    for first, task in enumerate(tasks, start=1):
        own = {digests[stage, task.name] for stage in range(first, 4)}
        kept = {STRATEGY.identity(states[stage - 1], task, context) for stage in range(first, 4)}
        assert len(own) == len(kept) == 1
    assert len({made(context, states[-1], task).sum().item() for task in tasks}) == 3, "each has a LoRA of its own"
    model = opened(STRATEGY, at(context, 2), states[0]).model
    assert set(model.trainable()) == {"body.generator.task", "head.weight", "head.bias"}


def test_penalty_is_the_mean_squared_distance_of_what_is_made(context: Context, tmp_path: Path) -> None:
    """λ/(t−1) Σ ‖h(eᵢ) − h*(eᵢ)‖², both networks run side by side."""
    stage = opened(STRATEGY, at(context, 1), START)
    state, earlier = State(tmp_path / "state", "two"), {name: torch.randn(16) for name in ("animals", "halves")}
    (state.folder / "body").mkdir(parents=True)
    STRATEGY.save(stage, state.folder / "body")
    save_file(earlier, state.folder / "embeddings.safetensors")
    stage = opened(STRATEGY, context, state)
    penalty, batch = STRATEGY.penalty(stage, 3.0), Batch(stage.model, torch.zeros(1), None)
    assert penalty(batch) == 0
    network = generator_of(stage.model.body)
    before = {name: [factor.detach().clone() for factor in network(e)] for name, e in earlier.items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    after = {name: network(e) for name, e in earlier.items()}
    squares = [
        float((now - then).detach().square().sum())
        for name in earlier
        for now, then in zip(after[name], before[name], strict=True)
    ]
    expected = 3.0 / 2 * sum(squares)
    assert expected > 0
    assert penalty(batch).detach().item() == pytest.approx(expected, rel=1e-5)
    penalty(batch).backward()
    assert network.task.grad is None, "the new task's embedding is not held"
    assert network.trunk.weight.grad is not None


def test_strengths_are_judged_by_each_tasks_own_lora(context: Context, tmp_path: Path) -> None:
    (state,) = walk(STRATEGY, at(context, 1), tmp_path)
    stage = opened(STRATEGY, at(context, 2), state)
    first, second = stage.context.tasks
    ids = torch.tensor([[2, 5, 6, 3]])
    with torch.inference_mode():
        wanted = STRATEGY.model_for(state, first, context).body(input_ids=ids).last_hidden_state
        fresh = stage.model.body(input_ids=ids).last_hidden_state
        assert torch.equal(STRATEGY.body_for(stage, first)(input_ids=ids).last_hidden_state, wanted)
        assert torch.equal(STRATEGY.body_for(stage, second)(input_ids=ids).last_hidden_state, fresh)
    assert not torch.equal(wanted, fresh)


def test_what_is_stored_is_the_network_an_embedding_a_task_and_heads(context: Context, tmp_path: Path) -> None:
    context = replace(context, budget=context.budget.model_copy(update={"epochs": 1}))
    first, *_, last = walk(STRATEGY, context, tmp_path)
    stored = load_file(last.folder / "embeddings.safetensors")
    shapes = {name: tuple(embedding.shape) for name, embedding in stored.items()}
    assert shapes == {task.name: (16,) for task in context.tasks}
    assert torch.equal(stored["animals"], load_file(first.folder / "embeddings.safetensors")["animals"])
    assert size(last.folder) - size(first.folder) < 2 * (16 + 2 * 32 + 2) * 4 + 500, "two embeddings, two heads"


@pytest.mark.parametrize(
    ("settings", "method", "scenario", "message"),
    [
        ({}, "lora", "task-incremental", "hypernetwork, not lora"),
        ({}, "hypernetwork", "domain-incremental", "nobody names the task"),
        ({"trains": "embedding", "strength": 1.0}, "hypernetwork", "task-incremental", "leave 'strength' out"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], method: str, scenario: str, message: str) -> None:
    own, posed = STRATEGY.settings(**settings), SCENARIOS.get(scenario)
    assert message in (STRATEGY.objection(own, method, ["classification"], posed) or "")


def test_answers_of_a_frozen_network_are_verified_as_those_of_isolated_adapters(bert: Path, tmp_path: Path) -> None:
    entry = "{strategy: hypernetwork, method: hypernetwork, learning_rate: 0.01, trains: embedding}"
    changes = [
        "seeds=[0]",
        "budget.epochs=1",
        f"strategies={{frozen: {entry}}}",
        "reference=frozen",
        "keep_states=last",
    ]
    plan = make_plan(read(write_recipe(tmp_path, bert)).set(changes), [tmp_path / "tasks"])
    record = stream_run(plan, tmp_path / "space")
    assert [[cell.status for cell in outcome.cells] for outcome in record.outcomes] == [
        ["measured"],
        ["carried", "measured"],
        ["verified", "verified", "measured"],
    ]
