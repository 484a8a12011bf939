"""ranpac: what a stream gives is the ridge regression on all of its examples at once, solved here in numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.strategies.ranpac import SOLUTION, RidgeHead
from adapter_workbench.workbench.answering.evaluation import features, predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk

WIDTH, HIDDEN = 30, 32
STRATEGY = STRATEGIES.get("ranpac")
Matrix = NDArray[np.float64]


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def method(name: str, backbone: Backbone) -> Adaptation:
    return (
        adapted(name, backbone) if name == "lora" else Adaptation(backbone, name, METHODS.get(name).settings(), "fp32")
    )


def projected(context: Context, state: State, task: Task, split: str) -> Matrix:
    """Return max(f W, 0) (texts, M) of one of the tasks, by a projection drawn here."""
    body = STRATEGY.model_for(state, task, context).under(nn.Identity())
    extracted = features(body, task.splits[split], context.adaptation.backbone.tokenizer, context.budget.max_length)
    drawn = np.random.RandomState(context.seed).standard_normal((HIDDEN, WIDTH))
    return np.asarray(np.maximum(extracted.astype(float) @ drawn, 0))


def solved(h: Matrix, y: Matrix, out: NDArray[np.bool_]) -> Matrix:
    def ridge(rows: NDArray[np.bool_], power: int) -> Matrix:
        gram = h[rows].T @ h[rows]
        return np.linalg.solve(gram + 10.0**power * np.mean(np.diag(gram)) * np.eye(WIDTH), h[rows].T @ y[rows])

    best = min(range(-8, 9), key=lambda power: float(np.mean((h[out] @ ridge(~out, power) - y[out]) ** 2)))
    return ridge(np.full(len(h), True), best)


def held(context: Context) -> NDArray[np.bool_]:
    """Return which training examples choose λ, task after task."""
    flags = []
    for task in context.drawn:
        count = len(task.splits["train"])
        flags.append(np.isin(np.arange(count), np.random.default_rng(context.seed).permutation(count)[4::5]))
    return np.concatenate(flags)


@pytest.mark.parametrize("scenario", ["task-incremental", "class-incremental", "domain-incremental"])
@pytest.mark.parametrize("name", ["head", "lora"])
def test_a_stream_gives_the_ridge_regression_on_all_of_it(
    name: str, scenario: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """Frozen features, and those of the first task's LoRA; labels side by side, and the same for all tasks."""
    budget = budget.model_copy(update={"epochs": 1})
    context = context_for(method(name, backbone), budget, tasks, tmp_path, STRATEGY.settings(width=WIDTH), scenario)
    states = walk(STRATEGY, context, tmp_path)
    h = np.concatenate([projected(context, states[-1], task, "train") for task in context.drawn])
    offsets = [2 * index * (scenario != "domain-incremental") for index in range(len(tasks))]
    given = [
        np.asarray(task.splits["train"]["label"][:]) for task in (draw(whole, budget, context.seed) for whole in tasks)
    ]
    y = np.eye(2 if scenario == "domain-incremental" else 6)
    y = np.concatenate([y[offset + labels] for offset, labels in zip(offsets, given, strict=True)])
    expected = solved(h, y, held(context))
    weights = load_file(states[-1].existing / SOLUTION)["weights"].numpy()
    np.testing.assert_allclose(weights, expected, rtol=1e-2, atol=1e-3 * np.abs(expected).max())
    rows = tasks[1].splits["test"]
    answers = predict(STRATEGY.model_for(states[-1], tasks[1], context), rows, backbone.tokenizer, budget.max_length)
    columns = slice(2, 4) if scenario == "task-incremental" else slice(None)
    scores = (projected(context, states[-1], tasks[1], "test") @ expected)[:, columns]
    np.testing.assert_allclose(answers, scores, atol=2e-2)


@pytest.mark.parametrize("name", ["head", "lora"])
def test_only_a_first_session_takes_steps(
    name: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    budget = budget.model_copy(update={"epochs": 1})
    context = context_for(method(name, backbone), budget, tasks[:2], tmp_path, STRATEGY.settings(width=WIDTH))
    steps, before = [], START
    for stage in (1, 2):
        (folder := tmp_path / str(stage)).mkdir()
        record = STRATEGY.learn(before, at(context, stage), folder)
        before = State(folder, str(stage))
        steps.append(record.steps)
        assert not [*(folder / "heads").iterdir()], "the head of the first session is dropped"
        assert isinstance(STRATEGY.model_for(before, tasks[0], at(context, stage)).head, RidgeHead)
    assert (steps[0] > 0, steps[1]) == (name == "lora", 0)
    first, second = (tmp_path / str(stage) / "body" for stage in (1, 2))
    assert {path.name: path.read_bytes() for path in first.iterdir() if path.suffix == ".safetensors"} == {
        path.name: path.read_bytes() for path in second.iterdir() if path.suffix == ".safetensors"
    }
    assert bool(opened(STRATEGY, at(context, 1), START).model.trainable())


def test_the_order_of_tasks_does_not_matter_on_frozen_features(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    solutions = []
    for name, order in (("one", tasks), ("other", tasks[::-1])):
        settings = STRATEGY.settings(width=WIDTH)
        context = context_for(method("head", backbone), budget, order, tmp_path / name, settings)
        *_, last = walk(STRATEGY, context, tmp_path / name)
        solutions.append(load_file(last.existing / SOLUTION)["weights"].numpy())
    turned = np.hstack([solutions[1][:, 4:], solutions[1][:, 2:4], solutions[1][:, :2]])
    np.testing.assert_allclose(turned, solutions[0], rtol=1e-3, atol=1e-4 * np.abs(solutions[0]).max())


@pytest.mark.parametrize("name", ["head", "lora"])
def test_a_first_task_without_a_row_to_hold_out_is_refused_before_it_is_learned(
    name: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(
        "adapter_workbench.experiments.strategies._shared.fit", lambda *_: pytest.fail("the first session was trained")
    )
    few = budget.model_copy(update={"train_examples": 4})
    context = context_for(method(name, backbone), few, tasks[:1], tmp_path, STRATEGY.settings(width=WIDTH))
    with pytest.raises(InputError, match=f"every 5th training row to choose λ, and {tasks[0].name} has 4"):
        walk(STRATEGY, context, tmp_path)
