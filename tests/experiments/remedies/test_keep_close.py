"""A model that is held to what it was, on rows of the user's choice, in transformers' Trainer and in TRL's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from adapter_workbench import KeepCloseTo
from adapter_workbench.experiments.remedies.anchors import anchors_of
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, SettingsError
from tests.conftest import SUBJECTS
from tests.elsewhere.trainings import assert_equal_trainings, classifier, trained
from tests.experiments.remedies import test_trl
from tests.experiments.remedies.test_callbacks import SAVED, Kill

TEXTS = [f"the {word} apple" for word in SUBJECTS]


def divergence(model: Any, rows: list[list[int]]) -> float:
    """The mean over answered tokens of Σ p₀ (log p₀ − log p), in numpy, a row at a time."""
    model.eval()
    parts: list[float] = []
    for ids in rows:
        with torch.no_grad():
            now = model(input_ids=torch.tensor([ids])).logits.double().log_softmax(dim=-1).numpy()
            with model.disable_adapter():
                old = model(input_ids=torch.tensor([ids])).logits.double().log_softmax(dim=-1).numpy()
        of_tokens = (np.exp(old) * (old - now)).sum(axis=-1)  # (1, tokens), or (1,) of a classifier
        parts += (of_tokens[:, :-1] if of_tokens.ndim == 2 else of_tokens).ravel().tolist()
    return float(np.mean(parts))


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
@pytest.mark.parametrize(
    "more", [{}, {"bf16": True}, {"gradient_checkpointing": True, "gradient_accumulation_steps": 3}]
)
def test_sft_stays_close_and_still_learns(more: dict[str, Any], llama: Path, tmp_path: Path) -> None:
    more = {**more, "learning_rate": 2e-2, "num_train_epochs": 8}
    rows = [open_backbone(str(llama)).tokenizer(text)["input_ids"] for text in TEXTS]
    far = {}
    for name, callbacks in (("held", [KeepCloseTo(TEXTS, strength=10.0)]), ("free", [])):
        model = test_trl.trained("SFT", llama, None, tmp_path / name, " grape", callbacks, **more)
        assert all(weight.requires_grad == (".lora_" in name) for name, weight in model.named_parameters())
        far[name] = divergence(model, rows)
    assert 0 < far["held"] < 0.2 * far["free"]


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
def test_what_is_added_is_the_mean_divergence(llama: Path, tmp_path: Path) -> None:
    """The texts have different lengths, so that padding would show."""
    texts = [TEXTS[0], f"{TEXTS[1]} {TEXTS[2]}"]
    rows = [open_backbone(str(llama)).tokenizer(text)["input_ids"] for text in texts]
    assert len(rows[0]) != len(rows[1])
    seen: list[tuple[float, float]] = []

    class Noted(KeepCloseTo):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            added = float(self.added(state.global_step).detach())
            mode = [(module, module.training) for module in kwargs["model"].modules()]
            seen.append((added, divergence(kwargs["model"], rows)))
            for module, was in mode:
                module.training = was
            super().on_pre_optimizer_step(args, state, control, **kwargs)

    test_trl.trained("SFT", llama, None, tmp_path / "out", " grape", [Noted(texts, strength=2.0)])
    assert len(seen) > 4
    for added, expected in seen[1:]:
        assert added == pytest.approx(2 * expected, rel=1e-3, abs=1e-6)
    assert seen[-1][1] > 1e-4


def test_a_classifier_is_held_by_rows_as_the_trainer_has_them(bert: Path, tmp_path: Path) -> None:
    plain = trained(bert, tmp_path / "plain", [], lora=True)
    rows = plain.train_dataset
    assert_equal_trainings(plain, trained(bert, tmp_path / "0", [KeepCloseTo(rows, strength=0.0)], lora=True))
    held = trained(bert, tmp_path / "held", [KeepCloseTo(rows, strength=10.0)], lora=True, num_train_epochs=6)
    free = trained(bert, tmp_path / "free", [], lora=True, num_train_epochs=6)
    far = [divergence(trainer.model, rows["input_ids"][:]) for trainer in (held, free)]
    assert 0 < far[0] < 0.5 * far[1]


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
def test_an_adapter_that_was_frozen_stays_so(llama: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32), config)
    model.add_adapter("past", model.peft_config["default"])
    model.base_model.set_adapter(["past", "default"])
    for name, weight in model.named_parameters():
        weight.requires_grad = weight.requires_grad and ".past." not in name
    trained_before = {name for name, weight in model.named_parameters() if weight.requires_grad}
    test_trl.trained("SFT", llama, model, tmp_path / "out", " grape", [KeepCloseTo(TEXTS)])
    assert {name for name, weight in model.named_parameters() if weight.requires_grad} == trained_before


def test_a_killed_training_goes_on_to_the_same_weights(bert: Path, tmp_path: Path) -> None:
    """A step draws the same rows whenever it is taken; after the first step the adapter has learned, and may."""

    def held() -> KeepCloseTo:
        return KeepCloseTo(TEXTS, strength=5.0, batch=3)

    whole = trained(bert, tmp_path / "whole", [held()], **SAVED)
    with pytest.raises(KeyboardInterrupt):
        trained(bert, tmp_path / "out", [held(), Kill()], **SAVED)
    assert_equal_trainings(whole, trained(bert, tmp_path / "out", [held()], resume=True, **SAVED))


def test_what_cannot_be_held_is_refused_before_the_training(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this one has none"):
        trained(bert, tmp_path / "out", [KeepCloseTo(TEXTS)])
    learned = classifier(bert, lora=True)
    trained(bert, tmp_path / "first", [], model=learned, learning_rate=3e-2, num_train_epochs=6)
    with pytest.raises(InputError, match="the adapter has learned before"):
        trained(bert, tmp_path / "out", [KeepCloseTo(TEXTS)], model=learned)
    wrong: list[tuple[list[Any], str]] = [
        ([], "no rows"),
        ([3], "neither a text"),
        ([{"input_ids": [1]}], "no token to answer"),
    ]
    for rows, message in wrong:
        with pytest.raises(InputError, match=message):
            trained(bert, tmp_path / "out", [KeepCloseTo(rows)], lora=True)
    with pytest.raises(SettingsError, match="batch"):
        KeepCloseTo(TEXTS, batch=0)


def test_of_rows_with_labels_the_answers_are_held() -> None:
    (anchor,) = anchors_of([{"input_ids": [5, 6, 7], "labels": [-100, -100, 7]}], None, "here")
    assert anchor.held == [False, False, True]
    with pytest.raises(InputError, match="need a tokenizer"):
        anchors_of(["a text"], None, "here")
