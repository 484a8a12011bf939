"""What ewc and l2-to-start add to the loss, against closed forms."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, State
from adapter_workbench.experiments.strategies._fisher import diagonal
from adapter_workbench.experiments.strategies._remedied import learner_of
from adapter_workbench.experiments.strategies._stage import Stage
from adapter_workbench.experiments.strategies._weights import body_weights, distance
from adapter_workbench.experiments.strategies.ewc import FILE
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.model import Batch, TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.stages import START, adapted, at, context_for, opened

WIDTH = 5


class Linear(nn.Module):
    """A body whose only trained weights are one matrix W: a token's state is W e, e its frozen embedding."""

    def __init__(self, words: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("embeddings", torch.randn(words, 4, generator=generator))
        self.weight = nn.Parameter(torch.randn(WIDTH, 4, generator=generator))

    def forward(self, input_ids: Tensor, **_: Tensor) -> Any:
        return SimpleNamespace(last_hidden_state=self.get_buffer("embeddings")[input_ids] @ self.weight.T)


@pytest.fixture(params=[2, 4])
def softmax_regression(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path, request: pytest.FixtureRequest
) -> Stage:
    """A stage whose model is softmax regression on mean embeddings, seen through a fixed head."""
    settings = STRATEGIES.get("ewc").settings(examples=1000, decay=0.5)
    context = context_for(adapted("full", backbone), budget, (task,), tmp_path, settings)
    torch.manual_seed(1)
    body, head = Linear(len(backbone.tokenizer)), nn.Linear(WIDTH, request.param)
    return Stage(START, context, TaskModel(body, head, KINDS.get("classification"), "mean", "fp32").eval())


def closed_form(stage: Stage) -> Tensor:
    """mean over x of Σ_y p_y (Vᵀ(e_y − p))² ⊗ x̄², for log p_y = log softmax(V W x̄ + c)_y."""
    body, head, tokenizer = stage.model.body, stage.model.head, stage.context.adaptation.backbone.tokenizer
    sums = torch.zeros(WIDTH, 4)
    rows = stage.task.splits["train"]["text"][:]
    with torch.no_grad():
        for text in rows:
            mean = body.get_buffer("embeddings")[tokenizer(text)["input_ids"]].mean(dim=0)  # (4,)
            p = head(body.get_parameter("weight") @ mean).softmax(dim=-1)  # (labels,)
            for label in range(len(p)):
                towards = torch.eye(len(p))[label] - p
                pulled = head.get_parameter("weight").T @ towards  # (WIDTH,)
                sums += p[label] * torch.outer(pulled, mean).square()
    return sums / len(rows)


def fisher(stage: Stage, examples: int) -> dict[str, Tensor]:
    learner = learner_of(stage)
    return diagonal(learner.weights, learner.evidence(examples))


def test_fisher_information_is_that_of_softmax_regression(softmax_regression: Stage) -> None:
    information = fisher(softmax_regression, examples=1000)
    assert set(information) == {"weight"}
    torch.testing.assert_close(information["weight"], closed_form(softmax_regression))
    some = fisher(softmax_regression, examples=8)
    assert not torch.allclose(some["weight"], information["weight"]), "a mean over fewer examples"


def test_fisher_information_is_summed_online(softmax_regression: Stage, tmp_path: Path) -> None:
    """F ← γ F + Fₜ, γ = 1/2 here."""
    strategy, old = STRATEGIES.get("ewc"), torch.rand(WIDTH, 4)
    for name in ("before", "after", "first"):
        (tmp_path / name).mkdir()
    save_file({"weight": old}, tmp_path / "before" / FILE)
    later = Stage(State(tmp_path / "before", "one"), softmax_regression.context, softmax_regression.model)
    strategy.remember(softmax_regression, tmp_path / "first")
    strategy.remember(later, tmp_path / "after")
    own = closed_form(softmax_regression)
    torch.testing.assert_close(load_file(tmp_path / "first" / FILE)["weight"], own)
    torch.testing.assert_close(load_file(tmp_path / "after" / FILE)["weight"], 0.5 * old + own)


def test_ewc_penalty_is_the_weighted_square(softmax_regression: Stage, tmp_path: Path) -> None:
    strategy, importance, moved = STRATEGIES.get("ewc"), torch.rand(WIDTH, 4), torch.randn(WIDTH, 4)
    save_file({"weight": importance}, tmp_path / FILE)
    model = softmax_regression.model
    penalty = strategy.penalty(Stage(State(tmp_path, "one"), softmax_regression.context, model), 3.0)
    batch = Batch(model, torch.zeros(1), None)
    assert penalty(batch) == 0
    with torch.no_grad():
        model.body.get_parameter("weight").add_(moved)
        model.head.get_parameter("weight").add_(1.0)  # heads are not held
    torch.testing.assert_close(penalty(batch), 3.0 / 2 * (importance * moved.square()).sum())


@pytest.mark.parametrize("method", ["lora", "full"])
def test_l2_penalty_is_the_distance_from_before_the_first_task(
    method: str, backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy, adaptation = STRATEGIES.get("l2-to-start"), adapted(method, backbone)
    context = context_for(adaptation, budget, (task, other_task), tmp_path)
    first = opened(strategy, at(context, 1), START)
    penalty, batch = strategy.penalty(first, 0.1), Batch(first.model, torch.zeros(1), None)
    assert penalty(batch) == 0
    with torch.no_grad():
        for parameter in first.model.body.parameters():
            if parameter.requires_grad:
                parameter.add_(0.01)
    count = sum(weight.numel() for weight in body_weights(first.model.body).values())
    expected = torch.tensor(0.1 * count * 0.01**2)
    torch.testing.assert_close(penalty(batch), expected, rtol=1e-3, atol=0)
    adaptation.library.save(first.model.body, tmp_path / "state" / "body")
    second = opened(strategy, context, State(tmp_path / "state", "one"))
    again = strategy.penalty(second, 0.1)(Batch(second.model, torch.zeros(1), None))
    torch.testing.assert_close(again, expected, rtol=1e-3, atol=0, msg="the second stage is held to the same start")


def test_distance_follows_the_weights_to_another_device() -> None:
    """A fit may move the model after its penalty was made; the device ``meta`` stands for a GPU."""
    body = nn.Linear(2, 2)
    start, importance = body_weights(body), body_weights(body)
    assert distance(body.to("meta"), start, importance).device.type == "meta"
    assert {weight.device.type for weight in (*start.values(), *importance.values())} == {"meta"}


def test_gradient_of_the_distance_is_twice_the_weighted_gap() -> None:
    body = nn.Linear(3, 2)
    start = {name: weight + torch.randn_like(weight) for name, weight in body_weights(body).items()}
    importance = {name: torch.rand_like(weight) for name, weight in start.items()}
    for weights in (None, importance):
        body.zero_grad()
        (3 * distance(body, start, weights)).backward()
        for name, parameter in body.named_parameters():
            factor = 1 if weights is None else weights[name]
            torch.testing.assert_close(parameter.grad, 6 * factor * (parameter.detach() - start[name]))


@pytest.mark.parametrize(("method", "other"), [("lora", False), ("lora-fa", False), ("eva", True), ("pissa", True)])
def test_l2_needs_the_weights_that_were_drawn(method: str, other: bool) -> None:
    strategy, scenario = STRATEGIES.get("l2-to-start"), SCENARIOS.get("task-incremental")
    objection = strategy.objection(strategy.settings(), method, ["classification"], scenario)
    assert ("other weights than the seed drew" in (objection or "")) == other


@pytest.mark.parametrize("remedy", ["ewc", "l2-to-start"])
def test_there_have_to_be_trained_weights_to_hold(remedy: str) -> None:
    strategy, scenario = STRATEGIES.get(remedy), SCENARIOS.get("task-incremental")
    objection = strategy.objection(strategy.settings(), "in-context", ["causal-lm"], scenario)
    assert objection == "holds weights of the body, of which method in-context trains none"
