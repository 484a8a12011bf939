"""mask: claimed weights and the answers that they give stay, and gates are those of HAT, computed here by its formulas.

Expected values follow Serrà et al. 2018, arXiv:1801.01423, § 2, and the program that the authors published.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, Context, State, _gates
from adapter_workbench.experiments.strategies._gates import Gate
from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.experiments.strategies.mask import GATES
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk

STRATEGY = STRATEGIES.get("mask")
HARDNESS = 400.0


@pytest.fixture(scope="module")
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


@pytest.fixture(scope="module", params=["lora", "pfeiffer"])
def context(
    request: pytest.FixtureRequest,
    backbone: Backbone,
    tasks: tuple[Task, ...],
    budget: Budget,
    tmp_path_factory: pytest.TempPathFactory,
) -> Context:
    """With weight decay, which moves whatever it can reach, and few units lost to the penalty on so tiny a body."""
    size = {"rank": 6} if request.param == "lora" else {"reduction_factor": 4}
    given = METHODS.get(request.param).settings(learning_rate=2e-2, weight_decay=0.5, **size)
    adaptation = Adaptation(backbone, request.param, given, "fp32")
    return context_for(adaptation, budget, tasks, tmp_path_factory.mktemp("mask"), STRATEGY.settings(strength=0.01))


@pytest.fixture(scope="module")
def states(context: Context) -> list[State]:
    """The states after each task; nobody writes there."""
    return walk(STRATEGY, context, context.workspace.root)


def masks(state: State) -> dict[str, NDArray[np.bool_]]:
    return {name: mask.numpy() for name, mask in load_file(state.existing / "masks.safetensors").items()}


def parts(context: Context, state: State) -> dict[str, tuple[Tensor, Tensor | None]]:
    """Weight and bias of each layer as they are stored, those of all units: down, up, down, up, …"""
    body = SharedWeights.model_for(STRATEGY, state, context.tasks[0], context).body
    return {name: (layer.linear.weight, layer.linear.bias) for name, layer in _gates.layers(body).items()}


def test_weights_between_claimed_units_and_the_answers_that_they_give_stay(
    context: Context, states: list[State]
) -> None:
    backbone, task = context.adaptation.backbone, context.tasks[0]
    first, last = (parts(at(context, stage), states[stage - 1]) for stage in (1, 3))
    mask = masks(states[0])[task.name]
    places = np.cumsum([len(weight) for weight, _ in first.values()])[:-1]
    own = dict(zip(first, np.split(mask, places), strict=True))
    held = moved = 0
    for (name, (weight, bias)), before in zip(first.items(), [None, *first], strict=False):
        claimed = own[name][:, None] & (own[before][None, :] if before and name.endswith(".up") else True)
        old, (new, new_bias) = weight.detach().numpy(), last[name]
        same = old == new.detach().numpy()
        assert same[np.broadcast_to(claimed, old.shape)].all(), name
        held, moved = held + int(np.broadcast_to(claimed, old.shape).sum()), moved + int((~same).sum())
        if bias is not None and new_bias is not None:
            assert torch.equal(bias[own[name]], new_bias[own[name]])
    assert held > 0
    assert moved > 0, "free weights go on learning"
    answers, identities = [], []
    for stage, state in enumerate(states, start=1):
        model = STRATEGY.model_for(state, task, at(context, stage))
        answers.append(predict(model, task.splits["test"], backbone.tokenizer, context.budget.max_length))
        identities.append(STRATEGY.identity(state, task, at(context, stage)))
    assert all(answer.tobytes() == answers[0].tobytes() for answer in answers)
    assert len(set(identities)) == 1
    assert STRATEGY.identity(states[2], context.tasks[1], context) != identities[0]


def test_a_task_is_answered_by_its_units_alone(context: Context, states: list[State]) -> None:
    """Whatever the weights of all other units are, the answers are the same."""
    now, state = at(context, 2), states[1]
    task, rows = context.tasks[0], context.tasks[0].splits["test"]

    def answers(units: float, others: float) -> NDArray[np.float32]:
        model = SharedWeights.model_for(STRATEGY, state, task, now)
        layers, mask = _gates.layers(model.body), torch.from_numpy(masks(state)[task.name])
        with torch.no_grad():
            for name, own in _gates.split(layers, mask).items():
                layers[name].linear.weight[~own] += others
                layers[name].linear.weight[own] += units
        _gates.answer_with(layers, mask)
        return predict(model, rows, now.adaptation.backbone.tokenizer, now.budget.max_length)

    model = STRATEGY.model_for(state, task, now)
    expected = predict(model, rows, now.adaptation.backbone.tokenizer, now.budget.max_length)
    np.testing.assert_array_equal(answers(0.0, 7.0), expected)
    assert not np.array_equal(answers(0.5, 0.0), expected)


def test_what_is_claimed_is_told(context: Context, states: list[State]) -> None:
    for stage, state in enumerate(states, start=1):
        task_masks, claims = masks(state), json.loads((state.existing / "claims.json").read_text())
        assert [*task_masks] == sorted(task.name for task in context.tasks[:stage])
        so_far = [[task_masks[task.name] for task in context.tasks[:upto]] for upto in range(1, stage + 1)]
        shares = [np.any(claimed, axis=0).mean() for claimed in so_far]
        used = [claims[task.name]["used"] for task in context.tasks[:stage]]
        np.testing.assert_allclose(used, shares, rtol=1e-6)
        assert 0 < used[0] < 1


def test_gates_head_and_adapter_are_trained_and_nothing_else(context: Context, states: list[State]) -> None:
    state = states[0]
    model = opened(STRATEGY, at(context, 2), state).model
    layers = _gates.layers(model.body)
    per_layer = 1 if context.adaptation.method == "lora" else 2  # weight, and bias
    assert len(model.trainable()) == len(layers) * (per_layer + 1) + 2
    claimed = torch.cat([gate.claimed for gate in model.get_submodule(GATES)])
    np.testing.assert_array_equal(claimed.numpy(), masks(state)[context.tasks[0].name])
    drawn = [opened(STRATEGY, at(context, stage), given).model for stage, given in ((1, START), (2, state))]
    starts = [torch.cat([gate.e.detach() for gate in model.get_submodule(GATES)]) for model in drawn]
    assert not torch.equal(*starts), "each task draws its own"
    assert starts[0].std().item() == pytest.approx(1, abs=0.2)


def test_earlier_tasks_are_asked_with_their_own_units(context: Context, states: list[State]) -> None:
    """What a strength is chosen by, while the next task is learned."""
    state = states[0]
    task, backbone = context.tasks[0], context.adaptation.backbone
    rows, length = task.splits["validation"], context.budget.max_length
    asked = STRATEGY.model_for(state, task, at(context, 1))
    expected = predict(asked, rows, backbone.tokenizer, length)
    stage = opened(STRATEGY, at(context, 2), state)
    with torch.no_grad():
        for gate in stage.model.get_submodule(GATES):
            gate.e.neg_()
    others = predict(stage.model.under(asked.head), rows, backbone.tokenizer, length)
    STRATEGY.body_for(stage, task)
    answers = predict(stage.model.under(asked.head), rows, backbone.tokenizer, length)
    np.testing.assert_array_equal(answers, expected)
    assert not np.array_equal(others, expected)
    STRATEGY.body_for(stage, context.tasks[1])
    np.testing.assert_array_equal(predict(stage.model.under(asked.head), rows, backbone.tokenizer, length), others)


def test_with_several_strengths_one_is_chosen_at_every_stage(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    budget = budget.model_copy(update={"epochs": 1})
    settings = STRATEGY.settings(strength=(0.0, 5.0))
    context = context_for(adapted("lora", backbone), budget, tasks[:2], tmp_path, settings)
    before = START
    for stage in (1, 2):
        (folder := tmp_path / str(stage)).mkdir()
        record = STRATEGY.learn(before, at(context, stage), folder)
        assert record.trials == 2
        before = State(folder, str(stage))


def gates_of(*values: tuple[list[float], list[bool]], slope: float) -> list[Gate]:
    return [Gate(torch.tensor(e), torch.tensor(claimed), slope) for e, claimed in values]


def test_attention_to_free_units_is_what_costs() -> None:
    """R by hand: the units 2 and 3 of one layer are free, and the one of the other."""
    gates = gates_of(([0.5, -1.0, 2.0], [True, False, False]), ([0.1], [False]), slope=3.0)
    expected = sum(1 / (1 + np.exp(-3.0 * e)) for e in (-1.0, 2.0, 0.1)) / 3
    assert _gates.used(gates).item() == pytest.approx(expected, rel=1e-6)
    first = gates_of(([0.5, -1.0], [False, False]), slope=2.0)
    assert _gates.used(first).item() == pytest.approx((1 / (1 + np.exp(-1.0)) + 1 / (1 + np.exp(2.0))) / 2, rel=1e-6)
    assert _gates.used(gates_of(([0.5], [True]), slope=2.0)).item() == 0, "nothing is free"


def test_gates_harden_in_every_epoch(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """s = 1/s_max + (s_max − 1/s_max) (b − 1) / (B − 1) for batch b of B."""
    batches = 8
    expected = [1 / HARDNESS + (HARDNESS - 1 / HARDNESS) * (b - 1) / (batches - 1) for b in range(1, batches + 1)]
    assert [_gates.annealed(step, batches, HARDNESS) for step in range(2 * batches)] == pytest.approx(2 * expected)
    assert _gates.annealed(3, 1, HARDNESS) == 1 / HARDNESS
    context = context_for(adapted("lora", backbone), budget, tasks[:1], tmp_path, STRATEGY.settings())
    stage = opened(STRATEGY, context, START)
    correct, (gate, *_) = STRATEGY.correction(stage), stage.model.get_submodule(GATES)
    assert len(stage.task.splits["train"]) == batches * budget.batch_size
    before, slopes = gate.e.detach().clone(), []
    for step in range(2 * batches):
        slopes.append(gate.slope)
        for module in stage.model.get_submodule(GATES):
            module.e.grad = torch.full_like(module.e, 0.01)
            module.e.grad[0] = -1.0
        correct(step)
        if step == 0:
            torch.testing.assert_close(gate.e[1:], before[1:] - 0.05 * HARDNESS * 0.01)
    assert gate.e.grad is None, "nothing is left to AdamW, weight decay included"
    assert slopes == pytest.approx(2 * expected)
    assert gate.e[0].item() == 6.0, "e stays where σ can change"


@pytest.mark.parametrize("slope", [1 / HARDNESS, 1.0, 20.0, HARDNESS])
def test_gradient_of_a_gate_is_compensated(slope: float) -> None:
    """q s_max (cosh(s e) + 1) / (s (cosh(e) + 1)), q the plain gradient and |s e| cut at 50; without s_max."""
    e = np.linspace(-6, 6, 121)
    outgoing = np.sin(np.arange(121.0))
    x = slope * e
    q = outgoing * slope * np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))) ** 2
    expected = q * HARDNESS / slope * (np.cosh(np.clip(x, -50, 50)) + 1) / (np.cosh(e) + 1)
    gate = Gate(torch.from_numpy(e), torch.zeros(121, dtype=torch.bool), slope)
    attention = gate.attention()
    np.testing.assert_allclose(attention.detach().numpy(), 0.5 * (1 + np.tanh(x / 2)), rtol=1e-6, atol=1e-15)
    attention.backward(torch.from_numpy(outgoing))
    assert gate.e.grad is not None
    np.testing.assert_allclose(gate.e.grad.numpy() * HARDNESS, expected, rtol=1e-6, atol=1e-12)


def test_units_count_softly_in_training_and_wholly_in_answers() -> None:
    linear = nn.Linear(3, 2)
    layer = _gates.Layer(linear, linear, None)
    (gate,) = _gates.gate({"one": layer}, torch.tensor([0.3, -0.2]), torch.tensor([False, False]), 2.0)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    plain = nn.functional.linear(x, linear.weight, linear.bias)
    torch.testing.assert_close(linear(x), plain * torch.sigmoid(torch.tensor([0.6, -0.4])))
    linear.eval()
    torch.testing.assert_close(linear(x), plain * torch.tensor([1.0, 0.0]))
    gate.asked = torch.tensor([False, True])
    torch.testing.assert_close(linear(x), plain * torch.tensor([0.0, 1.0]))


def test_units_and_a_named_task_are_needed() -> None:
    kinds, settings, named = ["classification"], STRATEGY.settings(), SCENARIOS.get("task-incremental")
    assert all(STRATEGY.objection(settings, method, kinds, named) is None for method in ("lora", "pfeiffer", "houlsby"))
    assert "lora, pfeiffer or houlsby, not full" in (STRATEGY.objection(settings, "full", kinds, named) or "")
    other = STRATEGY.objection(settings, "lora", kinds, SCENARIOS.get("class-incremental"))
    assert "names the task" in (other or "")
