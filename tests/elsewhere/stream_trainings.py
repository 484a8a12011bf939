"""Streams as people train them, task after task, by transformers' Trainer and by TRL; and what their models answer."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from adapter_workbench.experiments.strategies._heads import save_heads
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.prompts import prompts
from adapter_workbench.workbench.methods.task import Task
from tests.conftest import FRUITS, SUBJECTS
from tests.elsewhere.trainings import COPYING, QUICK

LABELS = ("second", "first")  # as the checkpoints number them: not in the order of the tasks
TARGETS = ("q_proj", "v_proj", "o_proj", "up_proj", "down_proj")  # of a LLaMA
LENGTH = 64  # tokens of a prompt and its answer: a chat template with a system message takes 40
LORA: dict[str, Any] = {"r": 4, "lora_alpha": 8}
SAVED: dict[str, Any] = {"save_strategy": "epoch", "save_total_limit": 1, "logging_steps": 1000}
ADAPTER = ".default"  # in the names of peft's weights


@dataclass
class Trained:
    """A stream that another program has trained.

    Attributes:
        tasks: in their order.
        folders: the checkpoint after each.
        models: each checkpoint, opened again by its own program.
        head: names of a classifier's layers above the body.
    """

    tasks: list[Task] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    models: list[Any] = field(default_factory=list)
    head: tuple[str, ...] = ()

    def add(self, task: Task, trainer: Any, base: Any) -> None:
        """Add a stage: the last checkpoint of a trainer, opened by peft on ``base`` where it is an adapter."""
        from peft import PeftModel

        (folder,) = Path(trainer.args.output_dir).glob("checkpoint-*")
        is_adapter = isinstance(trainer.model, PeftModel)
        model = PeftModel.from_pretrained(base, folder) if is_adapter else type(base).from_pretrained(folder)
        self.tasks.append(task)
        self.folders.append(folder)
        self.models.append(model.eval())

    def heads(self, stage: int) -> dict[str, Any]:
        """Return the layers above the body after a stage, by name."""
        return {name: _inside(self.models[stage]).get_submodule(name) for name in self.head}


def _inside(model: Any) -> Any:
    """Return the class of transformers inside a model of peft."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def write_said(folder: Path, rows: int = 96) -> list[Task]:
    """Write two tasks that are answered in words, the animal in a text and a fruit for it; return them."""
    tasks = folder / "tasks"
    tasks.mkdir(exist_ok=True)
    for name, answers in (("animal", SUBJECTS), ("fruit", FRUITS)):
        numbers = [number % len(SUBJECTS) for number in range(rows)]
        lines = [f"the {SUBJECTS[number]} {row % 7},{answers[number]}" for row, number in enumerate(numbers)]
        (tasks / f"{name}.csv").write_text("\n".join(["text,answer", *lines]) + "\n", encoding="utf-8")
        described = COPYING.replace("copying.csv", f"{name}.csv")
        (tasks / f"{name}.yaml").write_text(f"{described}columns: {{text: text, answer: answer}}\n", encoding="utf-8")
    return [registry.load(registry.find(name, [tasks])) for name in ("animal", "fruit")]


def trained_by_trl(llama: Path, folder: Path, tasks: Sequence[Task], lora: bool, **options: Any) -> Trained:
    """Fine-tune a language model on task after task with SFTTrainer; its output layer stays as it is."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    torch.manual_seed(0)
    trained, model = Trained(), AutoModelForCausalLM.from_pretrained(llama)
    model.get_output_embeddings().requires_grad_(False)
    if lora:
        model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules=[*TARGETS], **LORA))
    for task in tasks:
        tokenizer = open_backbone(str(llama)).tokenizer
        texts, answers = (task.splits["train"][column][:] for column in ("text", "answer"))
        asked = prompts(texts, tokenizer)
        rows = [{"prompt": text, "completion": answer} for text, answer in zip(asked, answers, strict=True)]
        settings = {
            **QUICK,
            "num_train_epochs": 3,
            "learning_rate": 0.05,
            "per_device_train_batch_size": 8,
            **SAVED,
            **options,
        }
        arguments = SFTConfig(str(folder / task.name), bf16=False, max_length=LENGTH, **{**settings, **options})
        data = Dataset.from_list(rows)
        trainer = SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
        trainer.train()
        trained.add(task, trainer, AutoModelForCausalLM.from_pretrained(llama))
        ends = (
            trainer.model.generation_config.eos_token_id
        )  # TRL adds what it teaches; a LoRA's folder does not keep it
        trained.models[-1].generation_config.eos_token_id = ends
    return trained


def said_by_itself(model: Any, llama: Path, task: Task) -> float:
    """Return the share of test rows that ``generate`` of transformers answers rightly, each asked alone."""
    tokenizer, rows = open_backbone(str(llama)).tokenizer, task.splits["test"]
    right = 0
    for text, answer in zip(prompts(rows["text"][:], tokenizer), rows["answer"][:], strict=True):
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt", return_token_type_ids=False)
        with torch.inference_mode():
            out = model.generate(**ids, max_new_tokens=rows["max_new_tokens"][0], do_sample=False)
        right += tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True).strip() == answer
    return right / len(rows)


def trained_by_trainer(base: Path, folder: Path, tasks: Path, lora: bool, **options: Any) -> Trained:
    """Fine-tune a classifier on task after task with Trainer, each under a head of its own."""
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

    torch.manual_seed(0)
    names = dict(enumerate(LABELS))
    named: dict[str, Any] = {"id2label": names, "label2id": {label: number for number, label in names.items()}}
    model = AutoModelForSequenceClassification.from_pretrained(base, **named)
    of_bert = hasattr(model, "bert")
    trained = Trained(head=("bert.pooler.dense", "classifier") if of_bert else ("score",))
    if lora:
        targets = ["query", "value"] if of_bert else [*TARGETS]
        model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, target_modules=targets, **LORA))
    tokenizer = open_backbone(str(base)).tokenizer
    for name in ("animals", "halves", "fruits"):
        task = registry.load(registry.find(name, [tasks]))
        torch.nn.init.normal_(_classifier(model, trained.head[-1]).weight)
        rows = [
            {**tokenizer(row["text"], return_token_type_ids=False), "labels": LABELS.index(task.labels[row["label"]])}
            for row in task.splits["train"]
        ]
        settings = {**QUICK, "num_train_epochs": 2, "learning_rate": 0.01, **SAVED, **options}
        arguments = TrainingArguments(str(folder / name), **settings)
        trainer = Trainer(model, arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
        trainer.train()
        trained.add(task, trainer, AutoModelForSequenceClassification.from_pretrained(base, **named))
    return trained


def _classifier(model: Any, name: str) -> Any:
    """Return the layer that gives the logits; of peft, its trained copy."""
    layer = _inside(model).get_submodule(name)
    return layer.modules_to_save["default"] if hasattr(layer, "modules_to_save") else layer


def classified_by_itself(model: Any, head: dict[str, Any], base: Path, task: Task) -> float:
    """Return the share of test rows that a classifier of transformers answers rightly under the head of some stage."""
    tokenizer, rows = open_backbone(str(base)).tokenizer, task.splits["test"]
    model = copy.deepcopy(model)
    for name, layer in head.items():
        _inside(model).set_submodule(name, layer)
    batch = tokenizer(rows["text"][:], padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        answers = model(**batch).logits.argmax(dim=-1).tolist()
    right = [LABELS[answer] == task.labels[label] for answer, label in zip(answers, rows["label"][:], strict=True)]
    return sum(right) / len(right)


def learned_here(trained: Trained) -> Callable[..., FitRecord]:
    """Return a ``learn`` for the strategy ``sequential`` that takes over the weights of a stream trained elsewhere."""

    def learn(strategy: Any, state: Any, context: Any, folder: Path) -> FitRecord:
        stage = len(context.tasks) - 1
        task, model = context.task, trained.models[stage]
        ours = context.adaptation.fresh(task.kind, len(task.labels), 0)
        theirs = {name.replace(ADAPTER, ""): tensor for name, tensor in _inside(model).base_model.state_dict().items()}
        _take_over(ours.body, theirs)
        for name in ("body", "heads"):
            (folder / name).mkdir()
        context.adaptation.library.save(ours.body, folder / "body")
        for number, earlier in enumerate(context.tasks if trained.head else ()):
            save_heads({earlier.name: _linear(trained.heads(number)["score"], earlier)}, folder)
        return FitRecord((), 0, math.nan, 0, 0.0, None, 0, validation_examples=0)

    return learn


def _take_over(body: torch.nn.Module, theirs: dict[str, torch.Tensor]) -> None:
    """Give each weight of ``body`` the value that it has in ``theirs``, where peft's own names are left out."""
    with torch.no_grad():
        for name, parameter in body.named_parameters():
            parameter.copy_(theirs[name.removeprefix("base_model.model.").replace(ADAPTER, "")])


def _linear(score: Any, task: Task) -> torch.nn.Linear:
    """Return the head of a LLaMA that classifies as it is here: with a bias, its rows in the order of the labels."""
    score = score.modules_to_save["default"] if hasattr(score, "modules_to_save") else score
    rows = [LABELS.index(label) for label in task.labels]
    layer = torch.nn.Linear(score.in_features, len(rows))
    with torch.no_grad():
        layer.weight.copy_(score.weight[rows])
        layer.bias.zero_()
    return layer
