"""Rows of an old task as a person has them, and as a Trainer is given them; and a model that learned them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from adapter_workbench.workbench.backbone.names import open_backbone
from tests.conftest import FILLERS, SUBJECTS
from tests.elsewhere.trainings import QUICK

ROWS = [{"prompt": f"the {word} {filler}", "completion": f" {word}"} for word in SUBJECTS for filler in [*FILLERS][:3]]
OTHERS = [{"prompt": f"the {word}", "completion": " apple"} for word in SUBJECTS]


def written(rows: list[dict[str, Any]], path: Path) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def tokenized(rows: list[dict[str, Any]], llama: Path) -> Dataset:
    """Return rows as tokens; the tokenizer of the tests puts its end behind every text, also behind a prompt."""
    tokenizer, encoded = open_backbone(str(llama)).tokenizer, []
    for row in rows:
        prompt = tokenizer(row["prompt"])["input_ids"][:-1]
        ids = tokenizer(row["prompt"] + row["completion"])["input_ids"]
        assert ids[: len(prompt)] == prompt
        labels = [-100] * len(prompt) + ids[len(prompt) :]
        encoded.append({"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels})
    return Dataset.from_list(encoded)


def language_model(llama: Path) -> Any:
    """Return transformers' own class, as anybody opens it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)


def with_lora(llama: Path) -> Any:
    """Return it with a new LoRA."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.1)
    return get_peft_model(language_model(llama), config)


def trained(model: Any, rows: Dataset, llama: Path, folder: Path, callbacks: list[Any], **options: Any) -> Any:
    """Train as anybody would, and save model and tokenizer in ``folder/model``; return the model."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    tokenizer = open_backbone(str(llama)).tokenizer
    arguments = TrainingArguments(output_dir=str(folder), **{**QUICK, "num_train_epochs": 2, **options})
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    trainer.train()
    trainer.save_model(str(folder / "model"))
    return trainer.model
