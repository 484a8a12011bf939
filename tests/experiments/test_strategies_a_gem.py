"""a-gem: the projection of a step's gradient, against the formula in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._memory import by_task, drawn, recall
from adapter_workbench.experiments.strategies._stage import Stage
from adapter_workbench.experiments.strategies.a_gem import project
from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.model import Batch
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk

SCENARIOS = ["task-incremental", "domain-incremental"]


def formula(g: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chaudhry et al. 2019, eq. 11."""
    return g - (g @ r) / (r @ r) * r if conflict(g, r) else g


def conflict(g: NDArray[np.float64], r: NDArray[np.float64]) -> bool:
    return bool(g @ r < 0)


def flat(tensors: list[torch.Tensor | None], weights: list[nn.Parameter]) -> NDArray[np.float64]:
    """One vector of all gradients, 0 where there is none."""
    filled = [torch.zeros_like(w) if t is None else t for t, w in zip(tensors, weights, strict=True)]
    return np.concatenate([t.detach().double().numpy().ravel() for t in filled])


def third_stage(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, folder: Path, scenario: str, method: str = "full"
) -> Stage:
    """The stage of the third task as it begins, in evaluation mode: without dropout."""
    strategy, budget = STRATEGIES.get("a-gem"), budget.model_copy(update={"epochs": 1, "train_examples": 24})
    settings = strategy.settings(memory=14)
    context = context_for(adapted(method, backbone), budget, tasks, folder, settings, scenario)
    *_, state = walk(strategy, at(context, 2), folder)
    return opened(strategy, context, state)


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


@pytest.mark.parametrize("agrees", [True, False])
def test_a_gradient_is_projected_only_where_it_conflicts(agrees: bool) -> None:
    generator = np.random.default_rng(3)
    shapes = [(4, 3), (5,), (2, 2)]
    references = [generator.normal(size=shape) for shape in shapes]
    sign = 1 if agrees else -1
    gradients = [sign * r + 0.5 * generator.normal(size=r.shape) for r in references]
    gradients[2] *= 0  # the last weight has none
    weights = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for weight, gradient in zip(weights[:2], gradients[:2], strict=True):
        weight.grad = torch.tensor(gradient, dtype=torch.float32)
    project([(weight, torch.tensor(r, dtype=torch.float32)) for weight, r in zip(weights, references, strict=True)])
    g, r = (np.concatenate([array.ravel() for array in arrays]) for arrays in (gradients, references))
    projected = flat([weight.grad for weight in weights], weights)
    np.testing.assert_allclose(projected, formula(g, r), rtol=1e-5, atol=1e-6)
    assert projected @ r >= -1e-6 * np.linalg.norm(g) * np.linalg.norm(r)
    assert conflict(g, r) is not agrees
    if agrees:
        assert weights[2].grad is None
        for weight, gradient in zip(weights[:2], gradients[:2], strict=True):
            assert weight.grad is not None
            assert torch.equal(weight.grad, torch.tensor(gradient, dtype=torch.float32))


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("turned", [False, True])
def test_the_reference_is_the_gradient_of_the_mean_loss_on_the_memory(
    scenario: str, turned: bool, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """A step has 16 examples and the memory 14, so that all are drawn: the mean over each row's loss by itself."""
    budget = budget.model_copy(update={"gradient_accumulation": 2})
    stage = third_stage(backbone, tasks, budget, tmp_path, scenario)
    model, strategy = stage.model, STRATEGIES.get("a-gem")
    weights = list(model.trainable().values())
    collate = model.kind.collate(backbone.tokenizer)
    memory = by_task(recall(stage.state.folder))
    assert sorted(map(len, memory.values())) == [7, 7]
    r = np.zeros(sum(weight.numel() for weight in weights))
    for name, rows in memory.items():
        head = model.head if scenario == "domain-incremental" else stage.heads[name]
        for row in model.kind.encode(rows, backbone.tokenizer, budget.max_length):
            batch = to_device_of(model, collate([row]))
            labels = batch.pop("labels")
            loss = nn.functional.cross_entropy(head(model.features(**batch)), labels) / 14
            r += flat(list(torch.autograd.grad(loss, weights, allow_unused=True)), weights)
    # the gradient of the new task, turned so that it does or does not conflict
    new = model.kind.encode(strategy.lesson(stage).splits["train"].select(range(8)), backbone.tokenizer, 16)
    gradients = torch.autograd.grad(model(**to_device_of(model, collate(new)))["loss"], weights, allow_unused=True)
    sign = 1.0 if conflict(flat(list(gradients), weights), r) is turned else -1.0
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = None if gradient is None else sign * gradient
    g = flat([weight.grad for weight in weights], weights)
    assert conflict(g, r) is turned
    correct = strategy.correction(stage)
    assert correct
    correct(0)
    corrected = flat([weight.grad for weight in weights], weights)
    tolerance = 1e-6 * float(np.abs(g).max() + np.abs(r).max())
    np.testing.assert_allclose(corrected, formula(g, r), rtol=1e-3, atol=tolerance)
    assert np.array_equal(corrected, g) is not turned
    assert corrected @ r > -1e-5 * np.linalg.norm(g) * np.linalg.norm(r)


def test_the_memory_gives_no_rows_and_no_penalty_reaches_the_reference(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    stage, strategy = third_stage(backbone, tasks, budget, tmp_path, SCENARIOS[0], "lora"), STRATEGIES.get("a-gem")
    lesson, own = strategy.lesson(stage).splits["train"], stage.task.splits["train"]
    assert lesson["text"][:] == own["text"][:]
    assert set(lesson["group"][:]) == {2}
    assert strategy.fits(stage.context.settings, [24, 24, 24]) == [24]

    def refused(batch: Batch) -> torch.Tensor:
        raise AssertionError("a penalty is no part of the reference")

    stage.model.train().penalty = refused
    correct = strategy.correction(stage)
    assert correct
    correct(0)
    assert stage.model.penalty is refused


def test_a_step_draws_the_same_rows_whenever_it_is_taken(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    stage = third_stage(backbone, tasks, budget, tmp_path, SCENARIOS[0], "lora")
    encoded = [{"place": index} for index in range(100)]
    rows = {
        step: [row["place"] for row in drawn(encoded, budget.batch_size, stage.context.seed, step)]
        for step in range(50)
    }
    assert rows == {
        step: [row["place"] for row in drawn(encoded, budget.batch_size, stage.context.seed, step)]
        for step in range(50)
    }
    assert all(len(set(indices)) == budget.batch_size for indices in rows.values()), "no row twice"
    assert len({tuple(indices) for indices in rows.values()}) == 50
    assert len({index for indices in rows.values() for index in indices}) > 90, "all of the memory takes part"


def test_nothing_is_corrected_at_the_first_stage(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("a-gem")
    context = context_for(adapted("full", backbone), budget, (task,), tmp_path, strategy.settings())
    assert strategy.correction(opened(strategy, context, START)) is None
