"""Remedies that choose what is trained: a killed training goes on, and a choice that comes too late is refused."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from torch.optim import SGD
from transformers import Trainer, TrainingArguments

from adapter_workbench import OSF, InfLoRA, SDLoRA, SEQStar
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.elsewhere.trainings import QUICK, assert_equal_trainings, beside, classifier, trained, with_lora
from tests.experiments.remedies.test_callbacks import SAVED, STATE, Kill


def merged(model: Any) -> Any:
    """Return the model of a LoRA, and a new LoRA on it."""
    config = model.peft_config["default"]
    torch.manual_seed(1)
    return get_peft_model(model.merge_and_unload(), config)


# remedy, its settings, the model of the first task, and what becomes of it for the next one
REMEDIES = [
    (OSF, {"preserved": 0.25, "growth": 0.25}, classifier, lambda model: model),
    (InfLoRA, {"threshold": 0.6}, partial(classifier, lora=True), merged),
    (SDLoRA, {}, with_lora, partial(beside, name="second")),
    (SEQStar, {}, classifier, lambda model: model),
    (SEQStar, {}, partial(classifier, lora=True), lambda model: model),
]


@pytest.mark.parametrize("tasks", ["first", "second"])
@pytest.mark.parametrize(("remedy", "settings", "make", "go_on"), REMEDIES)
def test_a_killed_training_goes_on_to_the_same_weights(
    remedy: Any, settings: dict[str, Any], make: Any, go_on: Any, tasks: str, bert: Path, tmp_path: Path
) -> None:
    options, begun, start = {**SAVED, "lora": None}, None, make(bert)
    if tasks == "second":
        start = go_on(trained(bert, tmp_path / "before", [remedy(**settings)], model=start).model)
        begun = tmp_path / "before" / STATE

    def train(folder: str, *callbacks: Any, **more: Any) -> Any:
        given = [remedy(begun, **settings), *callbacks]
        return trained(bert, tmp_path / folder, given, model=deepcopy(start), **options, **more)

    whole = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("out", Kill())
    resumed = train("out", resume=True)
    assert_equal_trainings(whole, resumed)
    name = remedy(**settings).remedy.name
    ours, theirs = (read_state(folder / STATE, name) for folder in (tmp_path / "out", tmp_path / "whole"))
    assert ours.tasks == theirs.tasks
    for sort, tensors in theirs.tensors.items():
        assert all(torch.equal(ours.tensors[sort][name], tensor) for name, tensor in tensors.items())


def test_a_choice_that_comes_too_late_is_refused_before_the_training(bert: Path, tmp_path: Path) -> None:
    arguments = TrainingArguments(output_dir=str(tmp_path), **QUICK)
    trainer = Trainer(model=classifier(bert), args=arguments, train_dataset=[{"labels": 0}])
    trainer.add_callback(OSF())
    with pytest.raises(InputError, match="the optimiser was made before the remedy could choose"):
        trainer.train()


def test_an_optimiser_without_what_is_trained_is_refused(bert: Path, tmp_path: Path) -> None:
    model = classifier(bert)
    arguments = TrainingArguments(output_dir=str(tmp_path), **QUICK)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=[{"labels": 0}],
        optimizers=(SGD(model.parameters(), lr=0.1), None),
        callbacks=[OSF(preserved=0.5)],
    )
    with pytest.raises(InputError, match="the optimiser does not have the weights that are trained"):
        trainer.train()
