"""fit(): which epoch is kept, when it stops, what it draws, and that a seed settles everything."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate.state import AcceleratorState
from datasets import Dataset
from torch import Tensor

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.answering.evaluation import Evaluation, evaluate
from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import TrainingError
from adapter_workbench.workbench.machine.device import Precision, accelerator
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds.classification import Classification
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import best_epoch, fit
from adapter_workbench.workbench.training.trainer import COMPILER, PRECISION

Script = Callable[[list[tuple[float, float]]], list[dict[str, Tensor]]]


def adaptation_for(backbone: Backbone, learning_rate: float = 1e-2, precision: Precision = "fp32") -> Adaptation:
    settings = METHODS.get("lora").settings(learning_rate=learning_rate)
    return Adaptation(backbone, "lora", settings, precision)


def fitted(
    adaptation: Adaptation, task: Task, budget: Budget, seed: int = 0, listener: Any = None
) -> tuple[TaskModel, FitRecord]:
    model = adaptation.fresh("classification", len(task.labels), seed)
    return model, fit(model, task, adaptation, budget, seed, listener or Silent(), "a label")


def weights(model: TaskModel) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.trainable().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Replace the validation scores by given (score, likelihood) pairs; returns the weights seen at each epoch."""

    def play(values: list[tuple[float, float]]) -> list[dict[str, Tensor]]:
        seen: list[dict[str, Tensor]] = []

        def scripted(model: TaskModel, *_: Any) -> Evaluation:
            score, likelihood = values[len(seen)]
            seen.append(weights(model))
            return Evaluation(pd.DataFrame({"log_likelihood": [likelihood]}), {"accuracy": score}, "", 0.0)

        monkeypatch.setattr(best_epoch, "evaluate_split", scripted)
        return seen

    return play


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([(0.5, -1.0), (0.9, -1.0), (0.7, -0.1), (0.8, -0.1)], 2),  # the higher score, whatever the likelihood
        ([(0.5, -1.0), (0.9, -1.0), (0.9, -0.5), (0.9, -0.7)], 3),  # equal scores: the higher likelihood
        ([(0.5, -1.0), (0.5, -1.0), (0.5, -1.0), (0.5, -1.0)], 1),  # equal in both: the earlier
        ([(0.1, -1.0), (0.2, -1.0), (0.3, -1.0), (0.4, -1.0)], 4),
    ],
)
def test_the_best_epoch_is_kept(
    backbone: Backbone, task: Task, budget: Budget, script: Script, values: list[tuple[float, float]], best: int
) -> None:
    seen = script(values)
    model, record = fitted(adaptation_for(backbone), task, budget)
    assert len(seen) == 4
    assert not any(same(seen[index], seen[index + 1]) for index in range(3)), "weights change in every epoch"
    assert same(weights(model), seen[best - 1])
    assert record.best_epoch == best
    assert record.validation == values[best - 1][0]
    assert [epoch.epoch for epoch in record.epochs] == [1, 2, 3, 4]
    assert [epoch.validation for epoch in record.epochs] == [score for score, _ in values]
    assert not model.training


def test_the_kept_weights_have_the_recorded_score(backbone: Backbone, task: Task, budget: Budget) -> None:
    # validation labels are the wrong way round: what is learned in later epochs makes it worse
    rows = task.splits["validation"]
    swapped = rows.remove_columns("label").add_column("label", [1 - label for label in rows["label"][:]])
    task = replace(task, splits={**task.splits, "validation": swapped})
    model, record = fitted(adaptation_for(backbone), task, budget)
    likelihoods = [epoch.validation_log_likelihood for epoch in record.epochs]
    assert record.best_epoch < len(record.epochs), f"the case is not what it should be: {likelihoods}"
    evaluation = evaluate(model, swapped, 2, backbone.tokenizer, budget.max_length)
    best = record.epochs[record.best_epoch - 1]
    assert evaluation.scores["accuracy"] == record.validation == best.validation
    assert evaluation.outcomes["log_likelihood"].mean() == best.validation_log_likelihood


@pytest.mark.parametrize(
    ("patience", "scores", "ran"),
    [(1, [0.5, 0.4, 0.9, 0.9], 2), (2, [0.5, 0.4, 0.6, 0.5], 4), (2, [0.5, 0.4, 0.3, 0.9], 3), (None, [0.5] * 4, 4)],
)
def test_patience_stops_a_fit_that_no_longer_improves(
    backbone: Backbone, task: Task, budget: Budget, script: Script, patience: int, scores: list[float], ran: int
) -> None:
    script([(score, -1.0) for score in scores])
    patient = budget.model_copy(update={"patience": patience})
    _, record = fitted(adaptation_for(backbone), task, patient)
    assert len(record.epochs) == ran
    assert record.steps == ran * 8  # 64 examples in batches of 8
    assert record.validation == max(scores[:ran])


def unbalanced(task: Task, counts: list[int]) -> Task:
    labels = np.repeat(np.arange(len(counts)), counts).tolist()
    rows = {"id": [f"r{i}" for i in range(len(labels))], "text": [f"cat {'the ' * i}" for i in labels], "label": labels}
    names = tuple("abc"[: len(counts)])
    return replace(task, labels=names, splits={**task.splits, "train": Dataset.from_dict(rows)})


def drawn_labels(adaptation: Adaptation, task: Task, budget: Budget, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the labels of all training batches of one fit, in order."""
    seen: list[int] = []
    forward = TaskModel.forward

    def spy(self: TaskModel, labels: Tensor | None = None, **inputs: Tensor) -> dict[str, Tensor]:
        if labels is not None:
            seen.extend(labels.tolist())
        return forward(self, labels, **inputs)

    with monkeypatch.context() as patched:
        patched.setattr(TaskModel, "forward", spy)
        fitted(adaptation, task, budget)
    return seen


def test_balanced_draws_each_class_equally_often(
    backbone: Backbone, task: Task, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = unbalanced(task, [90, 10])
    plain = drawn_labels(adaptation_for(backbone), few, budget, monkeypatch)
    assert Counter(plain) == {0: 4 * 90, 1: 4 * 10}, "without it each example comes once an epoch"
    even = budget.model_copy(update={"balanced": True})
    balanced = drawn_labels(adaptation_for(backbone), few, even, monkeypatch)
    assert len(balanced) == len(plain)
    # a fair coin, 400 times: mean 200, standard deviation 10
    assert abs(Counter(balanced)[1] - 200) < 40
    assert balanced[:100] != balanced[100:200], "each epoch draws anew"


def test_balanced_does_without_a_label_that_no_example_has(
    backbone: Backbone, task: Task, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = unbalanced(task, [12, 0, 4])
    even = budget.model_copy(update={"balanced": True, "epochs": 1})
    assert set(drawn_labels(adaptation_for(backbone), few, even, monkeypatch)) == {0, 2}


class Broken(torch.nn.Linear):
    """A head whose logits are not numbers after so many training steps."""

    def __init__(self, after: int) -> None:
        super().__init__(32, 2)
        self.left = after

    def forward(self, features: Tensor) -> Tensor:
        self.left -= self.training
        return super().forward(features) * (math.nan if self.left < 0 else 1.0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_loss_that_is_not_a_number_ends_the_fit(
    backbone: Backbone, task: Task, budget: Budget, precision: Precision
) -> None:
    adaptation = adaptation_for(backbone, precision=precision)
    model = adaptation.fresh("classification", 2, 0)
    model.head = Broken(after=10)
    with pytest.raises(TrainingError) as caught:
        fit(model, task, adaptation, budget, 0, Silent(), "label")
    message = str(caught.value)
    assert "the loss rose from 0." in message
    assert "to nan in 10 steps of 'animals'" in message
    assert "The learning rate is 0.01. Lower it: try --set learning_rate=0.001" in message
    assert ("precision=fp32" in message) == (precision == "bf16")
    assert caught.value.exit_code == 1


class Rising(torch.nn.Linear):
    """A head whose logits are 1000 times as large for so many steps, after two training steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(32, 2)
        self.step, self.last = 0, 2 + steps

    def forward(self, features: Tensor) -> Tensor:
        self.step += self.training
        return super().forward(features) * (1000.0 if 2 < self.step <= self.last else 1.0)


def test_a_loss_that_rises_far_and_stays_there_ends_the_fit(backbone: Backbone, task: Task, budget: Budget) -> None:
    adaptation = adaptation_for(backbone, learning_rate=1e-4)
    model = adaptation.fresh("classification", 2, 0)
    model.head = Rising(steps=100)
    with pytest.raises(TrainingError, match=r"the loss rose from 0\.\d+ to \d+\.?\d* in 4 steps") as caught:
        fit(model, task, adaptation, budget, 0, Silent(), "label")
    assert "try --set learning_rate=1e-05" in str(caught.value)


def test_a_loss_that_comes_back_goes_on(backbone: Backbone, task: Task, budget: Budget) -> None:
    adaptation = adaptation_for(backbone, learning_rate=1e-4)
    model = adaptation.fresh("classification", 2, 0)
    model.head = Rising(steps=best_epoch.IN_A_ROW - 1)
    assert fit(model, task, adaptation, budget, 0, Silent(), "label").steps > best_epoch.IN_A_ROW


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_kind_whose_score_is_no_number_ends_the_fit(
    backbone: Backbone, task: Task, budget: Budget, monkeypatch: pytest.MonkeyPatch, score: float
) -> None:
    monkeypatch.setattr(Classification, "scores", lambda *_: {"accuracy": score})
    with pytest.raises(TrainingError) as caught:
        fitted(adaptation_for(backbone), task, budget)
    message = str(caught.value)
    assert f"the score of 16 answers (accuracy) is {score}" in message
    assert "Classification" in message
    assert "learning rate" not in message, "the answers are numbers"


def test_weights_that_break_in_the_last_step_are_not_kept(backbone: Backbone, task: Task) -> None:
    class Explodes(torch.nn.Linear):
        """The loss of the only step is finite, its gradient is not."""

        def forward(self, features: Tensor) -> Tensor:
            logits = super().forward(features)
            if logits.requires_grad:
                logits.register_hook(lambda gradient: gradient * math.inf)
            return logits

    adaptation = adaptation_for(backbone)
    model = adaptation.fresh("classification", 2, 0)
    model.head = Explodes(32, 2)
    budget = Budget(epochs=1, batch_size=64, max_length=16, precision="fp32")
    with pytest.raises(TrainingError):
        fit(model, task, adaptation, budget, 0, Silent(), "label")


def test_gradients_without_a_finite_norm_end_the_fit_where_they_taught_nothing(
    backbone: Backbone, task: Task, budget: Budget
) -> None:
    """Clipping by such a norm leaves zeros: the fit would look sound, but the model would not change."""
    adaptation = adaptation_for(backbone)
    model = adaptation.fresh("classification", 2, 0)
    model.head.weight.register_hook(lambda gradient: gradient.new_full(gradient.shape, 1e30))
    with pytest.raises(TrainingError, match=r"gradients is inf after step .*first loss was 0\."):
        fit(model, task, adaptation, budget, 0, Silent(), "label")


@pytest.mark.parametrize(("batch", "accumulation", "examples"), [(8, 1, 64), (8, 3, 64), (10, 4, 33), (64, 1, 5)])
def test_a_fit_takes_as_many_steps_as_the_budget_says(
    backbone: Backbone, task: Task, batch: int, accumulation: int, examples: int
) -> None:
    few = replace(task, splits={**task.splits, "train": task.splits["train"].select(range(examples))})
    shape = {"batch_size": batch, "gradient_accumulation": accumulation, "max_length": 16}
    # train_examples does not cut a task that was drawn already: a lesson of several tasks, or with a memory, has more
    budget = Budget(epochs=2, train_examples=2, precision="fp32", **shape)
    listener = Recorder()
    _, record = fitted(adaptation_for(backbone), few, budget, listener=listener)
    wanted = 2 * math.ceil(math.ceil(examples / batch) / accumulation)
    assert record.steps == budget.updates(examples) == wanted
    assert listener.promised == wanted
    assert [step for step, _, _ in listener.heard] == list(range(1, wanted + 1))


def test_accumulated_gradients_are_those_of_the_whole_batch(backbone: Backbone, task: Task) -> None:
    few = replace(task, splits={**task.splits, "train": task.splits["train"].select(range(16))})
    whole = Budget(epochs=2, batch_size=16, max_length=16, precision="fp32")
    parts = Budget(epochs=2, batch_size=4, gradient_accumulation=4, max_length=16, precision="fp32")
    adaptation = Adaptation(backbone, "head", METHODS.get("head").settings(), "fp32")
    first, second = (weights(fitted(adaptation, few, budget)[0]) for budget in (whole, parts))
    for name in first:  # the mean over 16 is the mean of four means over 4
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-5)


def test_gradients_are_accumulated_and_clipped_then_corrected_then_taken(
    backbone: Backbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step an epoch, of 4 batches: what is corrected is the gradient of the mean loss over all rows, of norm 1."""
    budget = Budget(epochs=2, batch_size=16, gradient_accumulation=4, max_length=16, precision="fp32")
    adaptation = adaptation_for(backbone)
    model = adaptation.fresh("classification", 2, 0)
    seen: list[tuple[int, list[Tensor]]] = []
    rows = task.splits["train"]
    monkeypatch.setattr(model, "train", lambda mode=True: model)  # it stays in evaluation mode: no dropout
    with torch.no_grad():
        model.head.weight.mul_(100)  # a large loss, so that its gradient is clipped
    began = weights(model)
    collate, encoded = model.kind.collate(backbone.tokenizer), model.kind.encode(rows, backbone.tokenizer, 16)
    loss = model(**to_device_of(model, collate(encoded)))["loss"]
    gradients = torch.autograd.grad(loss, list(model.trainable().values()))
    norm = float(torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt())
    assert norm > 1

    def correct(step: int) -> None:
        seen.append((step, [weight.grad.clone() for weight in model.trainable().values() if weight.grad is not None]))
        for weight in model.trainable().values():
            weight.grad = torch.zeros_like(weight)

    model.correction = correct
    record = fit(model, task, adaptation, budget, 0, Silent(), "a label")
    assert [step for step, _ in seen] == [0, 1]
    assert record.steps == 2
    for corrected, expected in zip(seen[0][1], gradients, strict=True):
        torch.testing.assert_close(corrected, expected / norm, rtol=1e-4, atol=1e-6)
    assert same(began, weights(model)), "the optimiser takes what the correction leaves: nothing"


def test_a_seed_settles_all_weights(backbone: Backbone, task: Task, budget: Budget) -> None:
    adaptation = adaptation_for(backbone)
    first, record = fitted(adaptation, task, budget, seed=5)
    torch.rand(7)  # whatever else was drawn before
    again, record_again = fitted(adaptation, task, budget, seed=5)
    other, _ = fitted(adaptation, task, budget, seed=6)
    assert same(weights(first), weights(again))
    assert record.epochs == record_again.epochs
    assert not same(weights(first), weights(other))


class Recorder(Silent):
    """Writes down what it hears."""

    promised = 0
    open = False

    def __init__(self) -> None:
        self.heard: list[tuple[int, float, float]] = []
        self.label = ""

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        self.label, self.promised, self.open = label, steps, True
        yield lambda step, epoch, loss: self.heard.append((step, epoch, loss))
        self.open = False


def test_the_listener_hears_every_step(backbone: Backbone, task: Task, budget: Budget) -> None:
    listener = Recorder()
    _, record = fitted(adaptation_for(backbone), task, budget, listener=listener)
    steps, epochs, losses = zip(*listener.heard, strict=True)
    assert listener.label == "a label"
    assert listener.promised == record.steps == 32
    assert not listener.open
    assert list(steps) == list(range(1, 33))
    assert epochs == pytest.approx([step / 8 for step in steps])
    assert all(loss > 0 for loss in losses)
    by_epoch = np.array(losses).reshape(4, 8).mean(axis=1)
    assert [epoch.train_loss for epoch in record.epochs] == pytest.approx(by_epoch.tolist())


def test_a_fit_in_bf16_learns_with_weights_in_fp32(backbone: Backbone, task: Task, budget: Budget) -> None:
    adaptation = adaptation_for(backbone, precision="bf16")
    model, record = fitted(adaptation, task, budget.model_copy(update={"precision": "bf16"}))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert record.epochs[-1].train_loss < record.epochs[0].train_loss
    exact, _ = fitted(adaptation_for(backbone), task, budget)
    assert not same(weights(model), weights(exact))


@pytest.mark.parametrize("elsewhere", ["bf16", None])
def test_what_other_trainings_of_the_process_compute_in_changes_nothing(
    backbone: Backbone, task: Task, budget: Budget, elsewhere: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TrainingArguments with bf16 say so in the environment, as does ``accelerate launch --mixed_precision bf16``."""
    monkeypatch.delenv(PRECISION, raising=False)
    expected, _ = fitted(adaptation_for(backbone), task, budget)
    if elsewhere:
        monkeypatch.setenv(PRECISION, elsewhere)
    AcceleratorState._reset_state(reset_partial_state=True)
    model, _ = fitted(adaptation_for(backbone), task, budget)
    assert same(weights(model), weights(expected))
    assert os.environ.get(PRECISION) == elsewhere, "which is left to those trainings"


def test_what_other_trainings_of_the_process_compile_is_not_compiled_here(
    backbone: Backbone, task: Task, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TrainingArguments with torch_compile say so in the environment."""
    monkeypatch.setenv(COMPILER, "inductor")
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("a model was compiled"))
    AcceleratorState._reset_state(reset_partial_state=True)
    fitted(adaptation_for(backbone), task, budget.model_copy(update={"epochs": 1}))
    assert os.environ[COMPILER] == "inductor", "which is left to those trainings"


def test_the_test_split_is_never_read(backbone: Backbone, task: Task, budget: Budget) -> None:
    splits = {name: rows for name, rows in task.splits.items() if name != "test"}
    _, record = fitted(adaptation_for(backbone), replace(task, splits=splits), budget)
    assert record.best_epoch >= 1


def test_what_a_fit_took_is_recorded(backbone: Backbone, task: Task, budget: Budget) -> None:
    began, processor = time.perf_counter(), time.process_time()
    model, record = fitted(adaptation_for(backbone), task, budget)
    passed, worked = time.perf_counter() - began, time.process_time() - processor
    assert record.trainable_parameters == sum(parameter.numel() for parameter in model.trainable().values())
    assert 0 < record.seconds <= passed
    assert 0 < record.spent["processor_seconds"] <= worked
    assert record.peak_memory_mb is None or record.peak_memory_mb > 50


def test_a_process_that_sees_several_devices_trains_on_one(
    backbone: Backbone, task: Task, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    # torch says so of CUDA alone, whichever accelerator there is: Trainer would share every step among them
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    _, record = fitted(adaptation_for(backbone), task, budget)
    assert record.steps == budget.updates(len(task.splits["train"]))


def test_processes_of_one_machine_have_a_device_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert accelerator() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert accelerator() == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert accelerator() == torch.device("cuda", 0), "more processes than devices share them"
