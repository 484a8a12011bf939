"""Remedies that add to the loss of each forward pass: killed trainings go on, and trainers with a loss of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, Trainer, TrainerCallback

from adapter_workbench import AGEM, DERPlusPlus, LwF, TreeLoRA
from adapter_workbench.experiments.remedies.progress import FOLDER
from adapter_workbench.workbench.errors import InputError, IntegrityError, SettingsError
from adapter_workbench.workbench.files.atomic import remove_whole
from adapter_workbench.workbench.training.remedy import RemedyState
from adapter_workbench.workbench.training.remedy_state import read_state, write_state
from tests.elsewhere.trainings import assert_equal_trainings, classifier, losses, state, trained

STATE = "forgetting-state"
SAVED: dict[str, Any] = {"save_strategy": "steps", "save_steps": 6, "num_train_epochs": 3, "lora": True}
STRONG: dict[str, Any] = {"strength": 50.0}


class Kill(TrainerCallback):
    """In the middle of the second epoch."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 6:
            raise KeyboardInterrupt


def remedy(name: Any, folder: Path, **settings: Any) -> Any:
    """Return the callback for a second task; the first was learned in ``folder``."""
    return name(**settings) if name is LwF else name(folder / STATE, **settings)


def learned_first(name: Any, bert: Path, folder: Path) -> None:
    if name is not LwF:
        trained(bert, folder, [name()], lora=True)


@pytest.mark.parametrize("name", [LwF, DERPlusPlus, TreeLoRA])
def test_a_killed_training_goes_on_to_the_same_weights(name: Any, bert: Path, tmp_path: Path) -> None:
    """TreeLoRA's bandit has to be where it was within an epoch, LwF's teacher is not where the weights are by then."""
    first = tmp_path / "first"
    learned_first(name, bert, first)
    whole = trained(bert, tmp_path / "whole", [remedy(name, first, **STRONG)], **SAVED)
    with pytest.raises(KeyboardInterrupt):
        trained(bert, tmp_path / "out", [remedy(name, first, **STRONG), Kill()], **SAVED)
    resumed = trained(bert, tmp_path / "out", [remedy(name, first, **STRONG)], resume=True, **SAVED)
    assert_equal_trainings(whole, resumed)
    free = state(trained(bert, tmp_path / "free", [], **SAVED))
    assert any(not torch.equal(weight, free[key]) for key, weight in state(whole).items())


@pytest.mark.parametrize("name", [LwF, TreeLoRA])
def test_a_training_that_goes_on_needs_what_it_began_with(name: Any, bert: Path, tmp_path: Path) -> None:
    first, out = tmp_path / "first", tmp_path / "out"
    learned_first(name, bert, first)
    with pytest.raises(KeyboardInterrupt):
        trained(bert, out, [remedy(name, first), Kill()], **SAVED)
    remove_whole(out / "checkpoint-6" / ("remedy-begun" if name is LwF else FOLDER))
    with pytest.raises(InputError, match=r"is not here|there is no state"):
        trained(bert, out, [remedy(name, first)], resume=True, **SAVED)


def test_the_log_has_the_loss_of_the_trainer(bert: Path, tmp_path: Path) -> None:
    """Before the first step the model is the one without a remedy."""
    plain = losses(trained(bert, tmp_path / "plain", [], lora=True))
    held = losses(trained(bert, tmp_path / "held", [LwF(strength=50.0)], lora=True))
    assert held[0]["loss"] == plain[0]["loss"]
    assert held[-1]["loss"] != plain[-1]["loss"]


def test_passes_of_other_remedies_and_evaluations_are_left_alone(bert: Path, tmp_path: Path) -> None:
    """A-GEM reads kept rows once the step's own passes are over, also in an epoch's last step, which has fewer."""
    trained(bert, tmp_path / "first", [AGEM()], lora=True)
    options = {"lora": True, "gradient_accumulation_steps": 3, "eval_strategy": "steps", "eval_steps": 1}
    seen: list[bool] = []

    class Noted(LwF):
        def remembered(self, inputs: Any) -> Any:
            seen.append(self._learner.body.training)
            return super().remembered(inputs)

    trained(bert, tmp_path / "out", [AGEM(tmp_path / "first" / STATE), Noted()], **options)
    assert seen == [True] * 8, "two epochs of four batches"


def test_nothing_stays_on_a_model_whose_training_was_broken_off(bert: Path, tmp_path: Path) -> None:
    model = classifier(bert, lora=True)
    with pytest.raises(KeyboardInterrupt):
        trained(bert, tmp_path / "out", [LwF(), Kill()], model=model, **{**SAVED, "lora": None})
    assert not model._forward_hooks


@pytest.mark.parametrize(
    ("options", "message"),
    [({"label_smoothing_factor": 0.1}, "the model's own loss"), ({"torch_compile": True}, "compiled")],
)
def test_trainers_with_a_loss_of_their_own_are_refused(
    options: dict[str, Any], message: str, bert: Path, tmp_path: Path
) -> None:
    model = classifier(bert, lora=True)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(InputError, match=message):
        trained(bert, tmp_path / "out", [LwF()], model=model, **options)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert not model._forward_hooks


def test_a_loss_made_of_logits_is_refused_before_the_first_step(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own(self: Any, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        output = model(**inputs)
        loss = torch.nn.functional.cross_entropy(output.logits, inputs["labels"])
        return (loss, output) if return_outputs else loss

    monkeypatch.setattr(Trainer, "compute_loss", own)
    model = classifier(bert, lora=True)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(InputError, match="the model's own loss"):
        trained(bert, tmp_path / "out", [LwF()], model=model)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("name", [LwF, DERPlusPlus])
def test_answers_that_are_numbers_are_refused(name: Any, bert: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=1)
    with pytest.raises(InputError, match="not one of several labels"):
        trained(bert, tmp_path / "out", [name()], model=model)


def test_a_tree_needs_a_lora(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trains no weights that the remedy could hold"):
        trained(bert, tmp_path / "out", [TreeLoRA()])


def test_kept_rows_have_to_be_among_the_new_ones(bert: Path, tmp_path: Path) -> None:
    trained(bert, tmp_path / "first", [DERPlusPlus(memory=5)], lora=True)
    kept = DERPlusPlus(tmp_path / "first" / STATE)
    rows = Dataset.from_list(
        [{**row, "text": "more"} for row in read_state(tmp_path / "first" / STATE, "der-plus-plus").rows]
    )
    assert kept.mixed(rows).to_list() == 2 * rows.remove_columns("text").to_list()
    with pytest.raises(InputError, match="different columns"):
        kept.mixed(rows.remove_columns("labels"))
    with pytest.raises(InputError, match="no rows are kept"):
        DERPlusPlus().mixed(rows)
    kept._logits = {((1, 2, 3), 0): torch.zeros(2)}  # as if the rows were others
    with pytest.raises(InputError, match="none of the kept rows"):
        trained(bert, tmp_path / "out", [kept], lora=True)
    kept._logits = {((1, 2, 3), 0): torch.zeros(3)}
    with pytest.raises(InputError, match="logits of 3 labels, and the model has 2"):
        trained(bert, tmp_path / "out", [kept], lora=True)


def test_every_kept_row_has_logits_or_the_state_is_refused(tmp_path: Path) -> None:
    rows = [{"input_ids": [1, 2], "labels": 0}]
    for tensors in ({}, {"logits": {"rows": torch.zeros(2, 2)}}, {"logits": {"rows": torch.zeros(1)}}):
        write_state(RemedyState(tensors, rows, 1), "der-plus-plus", tmp_path)
        with pytest.raises(IntegrityError, match="not every kept row has logits"):
            DERPlusPlus(tmp_path)
    with pytest.raises(SettingsError, match="memory"):
        DERPlusPlus(memory=0)
