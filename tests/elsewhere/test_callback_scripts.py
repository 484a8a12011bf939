"""ForgettingCallback in scripts as people have them: own metrics, collators, bf16, a DPO with its reference."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from adapter_workbench import ForgettingCallback
from adapter_workbench.experiments.studies import report_of
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, SettingsError
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.elsewhere.trainings import QUICK, assert_equal_trainings, classifier, write_copying
from tests.streams import write_tasks


def watching(folder: Path, **options: Any) -> ForgettingCallback:
    """Return a callback that measures animals and halves."""
    given = {"tasks": ["animals", "halves"], "own": "animals", "max_length": 16, "head_rows": 32, **options}
    return ForgettingCallback(workspace=folder / "ws", task_folders=[write_tasks(folder)], **given)


def scripted(bert: Path, folder: Path, callbacks: list[Any], model: Any = None, **options: Any) -> Any:
    """Train as a script from a course does: a collator that pads, accuracy, the best of all checkpoints at the end."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    tokenizer = open_backbone(str(bert)).tokenizer
    split = make_task("animals", SUBJECTS, FRUITS).splits["train"]
    rows = Dataset.from_list([{**tokenizer(row["text"]), "labels": row["label"]} for row in split])

    def accuracy(predicted: Any) -> dict[str, float]:
        return {"accuracy": float(np.mean(predicted.predictions.argmax(-1) == predicted.label_ids))}

    best = {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
    settings = {**QUICK, **best, "metric_for_best_model": "accuracy", "save_total_limit": 1, "num_train_epochs": 3}
    accumulated = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 3, **options}
    trainer = Trainer(
        model=model or classifier(bert, lora=True),
        args=TrainingArguments(str(folder), **{**settings, **accumulated}),
        train_dataset=rows,
        eval_dataset=rows.select(range(16)),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_metrics=accuracy,
        callbacks=callbacks,
    )
    trainer.train()
    return trainer


def test_a_script_with_all_that_scripts_have(bert: Path, tmp_path: Path) -> None:
    plain = scripted(bert, tmp_path / "plain", [])
    watched = scripted(bert, tmp_path / "out", [watching(tmp_path)])
    assert_equal_trainings(plain, watched)
    ours, theirs = (
        [logged for logged in trainer.state.log_history if "eval_accuracy" in logged] for trainer in (plain, watched)
    )
    assert [logged["eval_accuracy"] for logged in ours] == [logged["eval_accuracy"] for logged in theirs]
    assert plain.state.best_global_step == watched.state.best_global_step
    report: Any = report_of(Workspace(tmp_path / "ws"), "out")
    assert report.record.ended
    assert None not in [score for row in report.record.matrix for score in row]


def test_a_model_in_bfloat16(bert: Path, tmp_path: Path) -> None:
    trainer = scripted(bert, tmp_path / "out", [watching(tmp_path)], model=classifier(bert).to(torch.bfloat16))
    assert next(trainer.model.parameters()).dtype == torch.bfloat16
    report: Any = report_of(Workspace(tmp_path / "ws"), "out")
    assert report.record.answered == {"animals": "own head", "halves": "fitted head"}
    assert None not in [score for row in report.record.matrix for score in row]


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
def test_dpo_of_an_adapter_whose_reference_is_the_model_without_it(llama: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    rows = [{"prompt": f"the {word}", "chosen": " apple", "rejected": " pear"} for word in SUBJECTS]
    folders = [write_copying(tmp_path)]

    def trained(name: str, callbacks: list[Any]) -> Any:
        torch.manual_seed(0)
        config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.2)
        trainer = DPOTrainer(
            model=get_peft_model(AutoModelForCausalLM.from_pretrained(llama), config),
            args=DPOConfig(str(tmp_path / name), bf16=False, max_length=32, num_train_epochs=2, **QUICK),
            train_dataset=Dataset.from_list(rows),
            processing_class=open_backbone(str(llama)).tokenizer,
            callbacks=callbacks,
        )
        trainer.train()
        return trainer

    watcher = ForgettingCallback(["copying"], workspace=tmp_path / "ws", task_folders=folders, max_length=32, rows=16)
    plain, watched = trained("plain", []), trained("out", [watcher])
    assert_equal_trainings(plain, watched)
    report: Any = report_of(Workspace(tmp_path / "ws"), "out")
    assert (report.record.trainer, len(report.record.stages)) == ("DPOTrainer", 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"every": "epochs"}, "'epoch', 'save'"),
        ({"tasks": ["anmals"], "own": None}, "animals"),
        ({"tasks": None, "own": None}, "tasks"),
        ({"tasks": [3], "own": None}, "tasks"),
        ({"tasks": ["animals", None]}, "tasks"),
        ({"rows": "many"}, "rows"),
        ({"max_forgetting": "2"}, "max_forgetting"),
        ({"max_forgetting": float("nan")}, "max_forgetting"),
        ({"name": 7}, "name"),
    ],
)
def test_usual_mistakes_are_one_message(wrong: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        watching(tmp_path, **wrong)


def test_an_own_task_with_labels_that_the_model_has_not(bert: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=3)
    with pytest.raises(InputError, match="3 labels, animals has 2"):
        scripted(bert, tmp_path / "out", [watching(tmp_path)], model=model)
    assert not (tmp_path / "ws").exists()
