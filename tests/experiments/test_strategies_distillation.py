"""What lwf and der-plus-plus hold a model to, recomputed from the stored states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from numpy.typing import NDArray

from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.strategies._memory import TASK, recall
from adapter_workbench.experiments.strategies._stage import Stage
from adapter_workbench.experiments.strategies.lwf import distillation_loss
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.model import Batch
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import adapted, at, context_for, opened, walk

CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # batches of other sizes


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def stream(
    name: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, folder: Path, scenario: str
) -> tuple[Context, list[State]]:
    """Learn all tasks but the last; return the context of the last stage, and the states."""
    strategy = STRATEGIES.get(name)
    settings = strategy.settings(memory=12) if name == "der-plus-plus" else strategy.settings()
    budget = budget.model_copy(update={"epochs": 1})
    context = context_for(adapted("full", backbone), budget, tasks, folder, settings, scenario)
    return context, walk(strategy, at(context, len(tasks) - 1), folder)


def answers_of(name: str, state: State, task: Task, context: Context, rows: Dataset) -> NDArray[np.float32]:
    """What the stored model of a state answers to ``rows`` as the model of ``task``."""
    model = STRATEGIES.get(name).model_for(state, task, context)
    return predict(model, rows, context.adaptation.backbone.tokenizer, context.budget.max_length)


def batch_of(stage: Stage, rows: Dataset) -> Batch:
    model, tokenizer = stage.model, stage.context.adaptation.backbone.tokenizer
    given = model.kind.collate(tokenizer)(model.kind.encode(rows, tokenizer, 16))
    inputs = {name: given[name] for name in ("input_ids", "attention_mask", "token_type_ids") if name in given}
    return Batch(model, model.features(**inputs), given["remembered"])


@pytest.mark.parametrize("scenario", ["task-incremental", "class-incremental", "domain-incremental"])
def test_teacher_is_the_model_of_the_stage_before(
    scenario: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("lwf")
    context, (_, state) = stream("lwf", backbone, tasks, budget, tmp_path, scenario)
    stage = opened(strategy, context, state)
    lesson = strategy.lesson(stage)
    rows = lesson.splits["train"]
    assert len(rows) == len(tasks[-1].splits["train"]), "no example is kept"
    remembered, before = np.array(rows["remembered"][:]), at(context, 2)
    if scenario == "task-incremental":
        answers = [answers_of("lwf", state, task, before, tasks[-1].splits["train"]) for task in tasks[:2]]
    else:
        answers = [answers_of("lwf", state, tasks[0], before, tasks[-1].splits["train"])]
    teacher = np.concatenate(answers, axis=1)  # (rows, labels before this stage)
    assert teacher.shape[1] == {"domain-incremental": 2}.get(scenario, 4)
    np.testing.assert_allclose(remembered[:, : teacher.shape[1]], teacher, **CLOSE)
    assert np.isnan(remembered[:, teacher.shape[1] :]).all(), "new labels have no teacher"
    assert remembered.shape[1] == len(lesson.labels)


@pytest.mark.parametrize("scenario", ["task-incremental", "class-incremental"])
def test_distillation_pulls_nowhere_before_the_first_step(
    scenario: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """The gradient of −Σ softmax(z/T) log softmax(ẑ/T) is (softmax(ẑ/T) − softmax(z/T)) / T: zero at ẑ = z."""
    strategy = STRATEGIES.get("lwf")
    context, (_, state) = stream("lwf", backbone, tasks, budget, tmp_path, scenario)
    stage = opened(strategy, context, state)
    penalty, rows = strategy.penalty(stage, 2.0), strategy.lesson(stage).splits["train"].select(range(16))
    batch = batch_of(stage, rows)
    loss = penalty(batch)
    groups = [slice(0, 2), slice(2, 4)] if scenario == "task-incremental" else [slice(0, 4)]
    softened = [(batch.remembered[:, columns] / 2.0).softmax(dim=-1) for columns in groups]
    entropy = sum(-(p * p.log()).sum(dim=-1).mean() for p in softened)
    torch.testing.assert_close(loss, 2.0 * entropy, **CLOSE)
    loss.backward()
    assert max(float(weight.grad.abs().max()) for weight in stage.model.parameters() if weight.grad is not None) < 1e-4
    with torch.no_grad():
        next(iter(stage.heads.values())).get_parameter("bias")[0] += 1.0
    stage.model.zero_grad()
    moved = penalty(batch_of(stage, rows))
    moved.backward()
    assert moved > loss
    assert max(float(weight.grad.abs().max()) for weight in stage.model.parameters() if weight.grad is not None) > 1e-2


def test_distilled_gradient_is_the_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    said_now, teacher = (torch.randn(6, 3, generator=generator) for _ in range(2))
    said_now.requires_grad_()
    distillation_loss(said_now, teacher).backward()
    torch.testing.assert_close(said_now.grad, ((said_now / 2).softmax(-1) - (teacher / 2).softmax(-1)).detach() / 2 / 6)


@pytest.mark.parametrize("scenario", ["task-incremental", "class-incremental", "domain-incremental"])
def test_remembered_logits_are_those_right_after_the_task(
    scenario: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("der-plus-plus")
    context, states = stream("der-plus-plus", backbone, tasks, budget, tmp_path, scenario)
    memory = recall(states[-1].folder)
    assert memory is not None
    for index, task in enumerate(tasks[:2]):
        own = memory.select([i for i, name in enumerate(memory[TASK][:]) if name == task.name])
        assert len(own)
        own_rows = own.remove_columns("remembered")
        then = answers_of("der-plus-plus", states[index], task, at(context, index + 1), own_rows)
        np.testing.assert_allclose(np.array(own["remembered"][:]), then, **CLOSE)
        if index == 0:
            now = answers_of("der-plus-plus", states[1], task, at(context, 2), own_rows)
            assert np.abs(now[:, :2] - then[:, :2]).max() > 1e-2, "not those of the newest model"
    lesson = strategy.lesson(opened(strategy, context, states[-1]))
    rows = lesson.splits["train"].to_pandas()
    wanted = np.stack(rows["remembered"])
    assert wanted.shape == (12 + 64, len(lesson.labels))
    new = rows["id"].str.startswith("fruits/").to_numpy()
    assert np.isnan(wanted[new]).all()
    for index, task in enumerate(tasks[:2]):
        held = ~np.isnan(wanted[rows["id"].str.startswith(f"{task.name}/").to_numpy()])
        labels = {
            "task-incremental": range(2 * index, 2 * index + 2),
            "class-incremental": range(2 * index + 2),
            "domain-incremental": range(2),
        }[scenario]
        assert (held == np.isin(np.arange(held.shape[1]), labels)).all()


def test_der_term_is_zero_before_the_first_step_and_then_the_mean_square(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("der-plus-plus")
    context, (state,) = stream("der-plus-plus", backbone, (task, other_task), budget, tmp_path, "task-incremental")
    stage = opened(strategy, context, state)
    penalty, rows = strategy.penalty(stage, 0.5), strategy.lesson(stage).splits["train"]
    mixed = rows.select([0, 1, 2, 20, 30])  # three remembered rows, two new ones
    assert penalty(batch_of(stage, mixed)).item() < 1e-8
    assert penalty(batch_of(stage, rows.select([20, 30]))).item() == 0, "nothing remembered in the batch"
    with torch.no_grad():
        for head, gap in zip(stage.heads.values(), (0.3, 7.0), strict=True):
            head.get_parameter("bias").add_(gap)  # every logit of the first head is 0.3 off, the second is free
    torch.testing.assert_close(penalty(batch_of(stage, mixed)), torch.tensor(0.5 * 0.3**2), **CLOSE)
