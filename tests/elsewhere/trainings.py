"""Small trainings by transformers' Trainer and by TRL's, with the callback and without."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from adapter_workbench.workbench.backbone.names import open_backbone
from tests.conftest import FILLERS, FRUITS, SUBJECTS, make_task

QUICK: dict[str, Any] = {
    "learning_rate": 3e-3,
    "per_device_train_batch_size": 16,
    "report_to": [],
    "use_cpu": True,
    "disable_tqdm": True,
    "logging_steps": 1,
    "save_strategy": "no",
}
COPYING = "description: d\nkind: causal-lm\nmax_new_tokens: 3\nfiles: {data: copying.csv}\nlicense: CC0-1.0\n"


def classifier(bert: Path, lora: bool = False) -> Any:
    """Return a classifier of two labels, those of the tasks of :mod:`tests.streams`."""
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    names = {0: "first", 1: "second"}
    labels: dict[str, Any] = {"id2label": names, "label2id": {name: number for number, name in names.items()}}
    model = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=2, **labels)
    if lora:
        from peft import LoraConfig, TaskType, get_peft_model

        config = LoraConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["query"], lora_dropout=0.2)
        model = get_peft_model(model, config)
    return model


def with_lora(bert: Path) -> Any:
    """Return a classifier with a LoRA alone: peft activates no two adapters that have a classifier each."""
    from peft import LoraConfig, get_peft_model

    return get_peft_model(classifier(bert), LoraConfig(r=2, target_modules=["query", "value"], lora_dropout=0.2))


def beside(model: Any, name: str) -> Any:
    """Put a new LoRA beside those that a model has, which are frozen; it is named first."""
    earlier = [*model.peft_config]
    torch.manual_seed(len(earlier))
    model.add_adapter(name, deepcopy(model.peft_config["default"]))
    model.base_model.set_adapter([name, *earlier])
    for parameter, weight in model.named_parameters():
        if ".lora_" in parameter:
            weight.requires_grad = f".{name}." in parameter
    return model


def trained(bert: Path, folder: Path, callbacks: list[Any], resume: bool = False, **options: Any) -> Any:
    """Train a classifier of animals against fruit, with dropout; return the trainer."""
    from transformers import Trainer, TrainingArguments

    tokenizer = open_backbone(str(bert)).tokenizer
    split = make_task("animals", SUBJECTS, FRUITS).splits["train"]
    rows = [{**tokenizer(row["text"]), "labels": row["label"]} for row in split]
    lora, model, streamed = (options.pop(name, None) for name in ("lora", "model", "streamed"))
    arguments = TrainingArguments(output_dir=str(folder), **{**QUICK, "num_train_epochs": 2, **options})
    trainer = Trainer(
        model=model or classifier(bert, bool(lora)),
        args=arguments,
        train_dataset=Dataset.from_list(rows).to_iterable_dataset() if streamed else Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows[:8]),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def write_answers(bert: Path, folder: Path, model: Any) -> Path:
    """Write the task "answers", which ``model`` answers rightly, half of it with each label, and return its folder."""
    texts = [f"{one} {other}" for one in SUBJECTS for other in FILLERS]
    batch = open_backbone(str(bert)).tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model.eval()(**batch).logits
        model.classifier.bias[0] -= (logits[:, 0] - logits[:, 1]).median()
        answers = model(**batch).logits.argmax(dim=-1).tolist()
    lines = [f"{text},{('first', 'second')[answer]}" for text, answer in zip(texts, answers, strict=True)]
    tasks = folder / "tasks"
    tasks.mkdir(exist_ok=True)
    (tasks / "answers.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    file = "description: d\nfiles: {data: answers.csv}\ncolumns: {text: text, label: label}\nlicense: CC0-1.0\n"
    (tasks / "answers.yaml").write_text(f"{file}splits: {{test: 0.5}}\n", encoding="utf-8")
    return tasks


def losses(trainer: Any) -> list[dict[str, float]]:
    """Return what the trainer itself has logged of its steps."""
    return [logged for logged in trainer.state.log_history if "loss" in logged]


def state(trainer: Any) -> dict[str, Any]:
    """Return all the weights."""
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def assert_equal_trainings(one: Any, other: Any) -> None:
    """Make sure that two trainings have the same losses and weights, to the last bit."""
    assert losses(one) == losses(other)
    ours, theirs = state(one), state(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def write_copying(folder: Path, rows: int = 96) -> Path:
    """Write the task "copying", answered in words, and return its folder."""
    tasks = folder / "tasks"
    tasks.mkdir(exist_ok=True)
    words = [SUBJECTS[number % len(SUBJECTS)] for number in range(rows)]
    lines = [f"the {word} a {number % 7},{word}" for number, word in enumerate(words)]
    (tasks / "copying.csv").write_text("\n".join(["text,answer", *lines]) + "\n", encoding="utf-8")
    (tasks / "copying.yaml").write_text(f"{COPYING}columns: {{text: text, answer: answer}}\n", encoding="utf-8")
    return tasks
