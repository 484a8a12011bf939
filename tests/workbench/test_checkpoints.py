"""A fit that is cut off goes on from its last complete epoch and comes to the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.files.atomic import write_whole
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS, possible_methods
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import best_epoch, fit
from tests.ear import Ear
from tests.messages import lacks
from tests.sampled import first_of_each

POSSIBLE = ["lora", *(name for name in possible_methods(BertConfig(), "classification") if name != "lora")]


class Cut(BaseException):
    """Not an Exception, like KeyboardInterrupt."""


class Scissors(Silent):
    """Counts optimiser steps and cuts the fit after so many."""

    def __init__(self, after: int) -> None:
        self.left, self.steps = after, 0

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        def advance(step: int, epoch: float, loss: float) -> None:
            self.steps += 1
            self.left -= 1
            if self.left == 0:
                raise Cut

        yield advance


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best_epoch, "CHECKPOINT_SECONDS", 0.0)


def train(
    method: str, backbone: Backbone, task: Task, budget: Budget, scratch: Path | None, listener: Silent
) -> tuple[TaskModel, FitRecord]:
    adaptation = Adaptation(backbone, method, METHODS.get(method).settings(learning_rate=0.01), "fp32")
    model = adaptation.fresh("classification", 2, seed=0)
    return model, fit(model, task, adaptation, budget, 0, listener, "test", scratch)


def kept_alike(method: str) -> tuple[Any, ...]:
    """Return what determines what a checkpoint has to hold: who trains, and what the method does beside the steps."""
    card = METHODS.get(method)
    return card.library, card.hooks, card.prepare, card.trains_body


AGAIN = ("adalora", "diff-pruning")  # what they gather from step to step is in no checkpoint, so they start again


@pytest.mark.parametrize("method", first_of_each(POSSIBLE, kept_alike))
def test_a_fit_that_was_cut_off_comes_to_the_same_weights(
    method: str, backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    fewer = task.splits["train"].select(range(16))  # two steps an epoch
    task, budget = replace(task, splits={**task.splits, "train": fewer}), budget.model_copy(update={"epochs": 3})
    undisturbed, expected = train(method, backbone, task, budget, None, Silent())
    for cut in (3, 5) if method == "lora" else (3,):
        scratch, again = tmp_path / str(cut), Scissors(0)
        with pytest.raises(Cut):
            train(method, backbone, task, budget, scratch, Scissors(cut))
        model, record = train(method, backbone, task, budget, scratch, again)
        kept = 0 if method in AGAIN else cut // 2 * 2
        assert again.steps == 6 - kept, "whole epochs are not done again"
        assert (record.epochs, record.best_epoch, record.steps) == (
            expected.epochs,
            expected.best_epoch,
            expected.steps,
        )
        for name, weight in undisturbed.state_dict().items():
            assert torch.equal(weight, model.state_dict()[name]), name


def test_a_balanced_fit_that_was_cut_off_draws_what_it_would_have_drawn(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    budget = budget.model_copy(update={"balanced": True, "epochs": 3})
    undisturbed, expected = train("lora", backbone, task, budget, None, Silent())
    with pytest.raises(Cut):
        train("lora", backbone, task, budget, tmp_path, Scissors(expected.steps // 3 + 1))
    model, record = train("lora", backbone, task, budget, tmp_path, Silent())
    assert record.epochs == expected.epochs
    assert torch.equal(undisturbed.head.weight, model.head.weight)  # type: ignore[arg-type]


def test_a_fit_that_patience_has_ended_is_not_trained_on(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    budget = budget.model_copy(update={"patience": 1, "epochs": 12})
    ended, expected = train("lora", backbone, task, budget, tmp_path, Silent())
    assert len(expected.epochs) < budget.epochs, "patience ended it"
    again = Scissors(0)
    model, record = train("lora", backbone, task, budget, tmp_path, again)
    assert again.steps == 0
    assert (record.epochs, record.best_epoch, record.steps) == (expected.epochs, expected.best_epoch, expected.steps)
    assert torch.equal(ended.head.weight, model.head.weight)  # type: ignore[arg-type]


def test_a_checkpoint_that_was_not_completed_is_passed_over(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, _ = train("lora", backbone, task, budget, None, Silent())

    def cut_at_16(target: Path, content: str) -> None:
        if target.parent.name == "checkpoint-16":
            raise Cut
        write_whole(target, content)

    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr("adapter_workbench.workbench.files.atomic.write_whole", cut_at_16)
        train("lora", backbone, task, budget, tmp_path, Silent())
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-8", "checkpoint-16"}
    again = Scissors(0)
    model, _ = train("lora", backbone, task, budget, tmp_path, again)
    assert again.steps == 24
    assert torch.equal(undisturbed.head.weight, model.head.weight)  # type: ignore[arg-type]


OF_TRAINER = ("model.safetensors", "optimizer.pt", "trainer_state.json")


@pytest.mark.parametrize("name", [best_epoch.KEPT, best_epoch.WEIGHTS, *OF_TRAINER])
def test_a_fit_whose_checkpoint_is_damaged_begins_anew(
    name: str, backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    fewer = task.splits["train"].select(range(16))  # two steps an epoch
    task, budget = replace(task, splits={**task.splits, "train": fewer}), budget.model_copy(update={"epochs": 2})
    undisturbed, expected = train("lora", backbone, task, budget, None, Silent())
    with pytest.raises(Cut):
        train("lora", backbone, task, budget, tmp_path, Scissors(3))
    (damaged,) = tmp_path.glob(f"checkpoint-*/{name}")
    damaged.write_bytes(damaged.read_bytes()[:40])
    ear = Ear()
    model, record = train("lora", backbone, task, budget, tmp_path, ear)
    (said,) = ear.said
    assert lacks(said, "checkpoint", "deleted", str(damaged.parent), name) == []
    assert (record.epochs, record.steps) == (expected.epochs, expected.steps)
    for weights, weight in undisturbed.state_dict().items():
        assert torch.equal(weight, model.state_dict()[weights]), weights


def test_a_short_fit_writes_no_checkpoint(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(best_epoch, "CHECKPOINT_SECONDS", 60.0)
    train("lora", backbone, task, budget, tmp_path, Silent())
    assert not list(tmp_path.iterdir())
