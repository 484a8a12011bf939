"""A stream of two tasks, learned by transformers' Trainer with peft's own model, beside a stream of our engine."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.workbench.backbone.transformers_api import training_options
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import make_copying
from tests.stages import START, at, opened

STATE = "forgetting-state"
BUDGET = Budget(epochs=1, batch_size=8, max_length=16, precision="fp32")
INSIDE, OUTSIDE = "base_model.model.", "base_model.model.model."  # of peft's names: a body, and a language model


def two_tasks() -> tuple[Task, Task]:
    """Say the animal in a text; and say the animal that follows it in a list."""
    first, second = make_copying("copying"), make_copying("turning")
    animals = sorted({*first.splits["train"]["answer"][:]})
    turned = dict(zip(animals, animals[1:] + animals[:1], strict=True))

    def other(row: dict[str, Any]) -> dict[str, Any]:
        return {"answer": turned[row["answer"]]}

    splits = {name: rows.map(other) for name, rows in second.splits.items()}
    return first, Task("turning", "causal-lm", (), splits, "turning", "made in tests", "CC0-1.0")


def peft_model(llama: Path, context: Context, strategy: str = "ewc", state: State = START) -> Any:
    """Return peft's own model, with the LoRAs that the engine's stage after ``state`` begins with."""
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    stage = 1 if state.folder is None else 2
    drawn: Any = opened(STRATEGIES.get(strategy), at(context, stage), state).model.body
    configs = deepcopy(drawn.peft_config)
    for config in configs.values():
        config.task_type = "CAUSAL_LM"
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32), configs.pop("default"))
    for name, config in configs.items():
        model.add_adapter(name, config)
    model.base_model.set_adapter(drawn.base_model.active_adapters)
    put(model, {name: weight for name, weight in drawn.named_parameters() if ".lora_" in name})
    for name, weight in drawn.named_parameters():
        model.get_parameter(name.replace(INSIDE, OUTSIDE, 1)).requires_grad = weight.requires_grad
    return model


@torch.no_grad()
def put(model: Any, weights: Mapping[str, Tensor]) -> None:
    parameters = dict(model.named_parameters())
    for name, weight in weights.items():
        parameters[name.replace(INSIDE, OUTSIDE, 1)].copy_(weight)


def train(model: Any, task: Task, context: Context, folder: Path, callbacks: list[Any]) -> Any:
    """Train with Trainer as anybody would, on the rows of ``task`` as the engine encodes them; return the trainer."""
    from transformers import Trainer, TrainingArguments

    kind, tokenizer, settings = (
        KINDS.get(task.kind),
        context.adaptation.backbone.tokenizer,
        context.adaptation.settings,
    )
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=BUDGET.epochs,
        per_device_train_batch_size=BUDGET.batch_size,
        gradient_accumulation_steps=context.budget.gradient_accumulation,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        optim="adamw_torch_fused",
        **training_options(settings.warmup, by_length=True),
        seed=context.seed,
        use_cpu=True,
        save_strategy="no",
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=kind.encode(task.splits["train"], tokenizer, BUDGET.max_length),
        data_collator=kind.collate(tokenizer),
        callbacks=callbacks,
    )
    trainer.train()
    return trainer


def gap(model: Any, stored: Path) -> float:
    """Return the largest difference between the weights that training left, and those of a state of the engine."""
    trained = dict(model.named_parameters())
    names = load_file(stored / "body" / "adapter_model.safetensors").items()
    pairs = [(trained[f"{name.replace(INSIDE, OUTSIDE, 1)[:-7]}.default.weight"], weight) for name, weight in names]
    assert pairs
    return max(float((ours - theirs).detach().abs().max()) for ours, theirs in pairs)
