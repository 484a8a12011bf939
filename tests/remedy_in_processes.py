"""Trainings with remedies, in one process or in two that share each step.

    python -m tests.remedy_in_processes LLAMA FOLDER held|osf|inflora

``held``: two trainings one after the other, the second held by four remedies. The others: one with that remedy.

Started as often as there are processes, with the environment that a launcher gives to each.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

torch.set_num_threads(1)

from adapter_workbench import AGEM, EWC, OSF, InfLoRA, LwF, TreeLoRA
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.methods.kinds import KINDS

STATE, BATCH = "forgetting-state", 8  # rows in a step, of all processes together
REMEMBERED = BATCH // 2  # so few that each process reads them all at each step


def learned(llama: Path, folder: Path, remedies: str) -> Any:
    """Return the model after the trainings."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from tests.trainer_streams import two_tasks

    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model, (first, second) = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32), two_tasks()
    if remedies == "osf":
        trained(model, llama, first, folder / "first", [OSF(preserved=0.5)])
        return model
    model = get_peft_model(model, config)
    if remedies == "inflora":
        trained(model, llama, first, folder / "first", [InfLoRA()])
        return model
    trained(model, llama, first, folder / "first", [EWC(), AGEM(memory=REMEMBERED), TreeLoRA()])
    state = folder / "first" / STATE
    held = [EWC(state, strength=300.0), AGEM(state, memory=REMEMBERED), LwF(strength=2.0), TreeLoRA(state)]
    trained(model, llama, second, folder / "second", held)
    return model


def trained(model: Any, llama: Path, task: Any, folder: Path, callbacks: list[Any]) -> None:
    from transformers import Trainer, TrainingArguments

    kind, tokenizer = KINDS.get("causal-lm"), open_backbone(str(llama)).tokenizer
    options: dict[str, Any] = {"use_cpu": True, "report_to": [], "disable_tqdm": True, "save_strategy": "no"}
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=BATCH // int(os.environ.get("WORLD_SIZE", "1")),
        learning_rate=1e-2,
        ddp_backend="gloo" if "WORLD_SIZE" in os.environ else None,
        **options,
    )
    rows = kind.encode(task.splits["train"], tokenizer, 16)
    collate = kind.collate(tokenizer)
    Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collate, callbacks=callbacks).train()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()  # the first process writes the state


if __name__ == "__main__":
    base, folder = Path(sys.argv[1]), Path(sys.argv[2])
    learned(base, folder, sys.argv[3]).save_pretrained(folder / f"rank-{os.environ['RANK']}")
