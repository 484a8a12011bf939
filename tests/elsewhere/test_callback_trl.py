"""ForgettingCallback in TRL's own trainers: the same training, scores in the log, and a record."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from adapter_workbench import ForgettingCallback
from adapter_workbench.experiments.studies import report_of
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.backbone.names import open_backbone
from tests.conftest import SUBJECTS
from tests.elsewhere.trainings import QUICK, assert_equal_trainings, write_copying
from tests.streams import write_tasks

pytestmark = pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
PROMPTS = [f"the {word}" for word in SUBJECTS]


def supervised(llama: Path, folder: Path, callbacks: list[Any]) -> Any:
    """Fine-tune a LoRA with SFTTrainer."""
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    rows = [{"prompt": text, "completion": " apple"} for text in PROMPTS]
    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.2)
    return _trained(SFTTrainer, SFTConfig, llama, folder, callbacks, rows, peft_config=lora)


def preferred(llama: Path, folder: Path, callbacks: list[Any]) -> Any:
    """Train all weights with DPOTrainer."""
    from trl import DPOConfig, DPOTrainer

    rows = [{"prompt": text, "chosen": " apple", "rejected": " pear"} for text in PROMPTS]
    return _trained(DPOTrainer, DPOConfig, llama, folder, callbacks, rows)


def _trained(
    trainer: Any, config: Any, llama: Path, folder: Path, callbacks: list[Any], rows: list[Any], **others: Any
) -> Any:
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    arguments = config(output_dir=str(folder), bf16=False, max_length=32, num_train_epochs=2, **QUICK)
    training = trainer(
        model=AutoModelForCausalLM.from_pretrained(llama),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=open_backbone(str(llama)).tokenizer,
        callbacks=callbacks,
        **others,
    )
    training.train()
    return training


@pytest.mark.parametrize("train", [supervised, preferred])
def test_a_training_by_trl(train: Any, llama: Path, tmp_path: Path) -> None:
    write_copying(tmp_path)
    watcher = ForgettingCallback(
        ["copying", "animals"],
        workspace=tmp_path / "ws",
        task_folders=[write_tasks(tmp_path)],
        max_length=32,
        head_rows=32,
    )
    plain, watched = (
        train(llama, tmp_path / name, callbacks) for name, callbacks in (("plain", []), ("out", [watcher]))
    )
    assert_equal_trainings(plain, watched)
    report: Any = report_of(Workspace(tmp_path / "ws"), "out")
    assert report.record.answered == {"copying": "generated answers", "animals": "fitted head"}
    assert report.record.trainer == type(watched).__name__
    measured = [logged for logged in watched.state.log_history if "eval_copying/score" in logged]
    assert [
        [logged[f"eval_{task}/score"] for task in report.record.tasks] for logged in measured
    ] == report.record.matrix
    own = [{*logged} for logged in plain.state.log_history if "loss" in logged]
    assert [{*logged} for logged in watched.state.log_history if "loss" in logged] == own, "TRL's own means are there"


def test_generated_answers_and_the_loss_on_text_are_those_of_the_model_itself(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapter_workbench.experiments.watching import watch
    from adapter_workbench.tasks.loading import registry
    from adapter_workbench.workbench.backbone.prompts import prompts

    folders, texts = [write_copying(tmp_path)], ("the cat very often a dog", "apple pear")
    monkeypatch.setattr(watch, "read_text", lambda: texts)
    options: dict[str, Any] = {"task_folders": folders, "max_length": 32, "text_loss": True}
    watcher = ForgettingCallback(["copying"], workspace=tmp_path / "ws", **options)
    trainer, tokenizer = supervised(llama, tmp_path / "out", [watcher]), open_backbone(str(llama)).tokenizer
    rows = registry.load(registry.find("copying", folders)).splits["test"]
    right = 0
    for text, answer in zip(prompts(rows["text"][:], tokenizer), rows["answer"][:], strict=True):
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt", return_token_type_ids=False)
        with torch.inference_mode():
            told = trainer.model.eval().generate(**ids, max_new_tokens=3, do_sample=False)
        right += tokenizer.decode(told[0, ids["input_ids"].shape[1] :], skip_special_tokens=True).strip() == answer
    measured = trainer.state.log_history[-2]
    assert measured["eval_copying/score"] == pytest.approx(right / len(rows))
    sums, count = 0.0, 0
    for text in texts:
        ids = tokenizer(text, return_tensors="pt", return_token_type_ids=False)["input_ids"]
        with torch.inference_mode():
            sums += float(trainer.model.eval()(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    assert measured["eval_text_loss"] == pytest.approx(sums / count, rel=1e-4)
    report: Any = report_of(Workspace(tmp_path / "ws"), "out")
    losses = [stage.text_loss for stage in report.record.stages]
    assert losses[-1] == measured["eval_text_loss"] != losses[0]


def test_a_loss_that_is_no_number_is_said_and_not_stored(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapter_workbench.experiments.watching import watch

    monkeypatch.setattr(watch, "read_text", lambda: ("apple pear",))
    monkeypatch.setattr(watch.TextLoss, "measure", lambda self, parts: math.nan)
    folders = [write_copying(tmp_path)]
    watcher = ForgettingCallback(["copying"], workspace=tmp_path / "ws", task_folders=folders, text_loss=True)
    supervised(llama, tmp_path / "out", [watcher])
    report: Any = report_of(Workspace(tmp_path / "ws"), "out")
    assert [stage.text_loss for stage in report.record.stages] == [None] * len(report.record.stages)
    assert all("finite" in why for stage in report.record.stages for why in stage.failed.values())
    json.dumps(report.as_json(), allow_nan=False)
