"""What transformers' Trainer and TRL's SFTTrainer leave in a folder comes in as it is, and answers as their models."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import Tensor

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.methods.stored_model import backbone_of, open_adapter
from tests.elsewhere.senders import TEXTS, drawn
from tests.elsewhere.test_whole_models import LABELS, THREE, here

STEP: dict[str, Any] = {
    "max_steps": 1,
    "save_steps": 1,
    "per_device_train_batch_size": 4,
    "report_to": [],
    "use_cpu": True,
    "disable_tqdm": True,
}
BESIDE = {"training_args.bin", "optimizer.pt", "scheduler.pt", "trainer_state.json"}
LORA: dict[str, Any] = {"r": 2, "lora_alpha": 8, "target_modules": ["query", "value"]}


def trained(base: Path, folder: Path, lora: bool) -> Any:
    """Train a classifier for one step with transformers' Trainer; return its model."""
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

    torch.manual_seed(0)
    tokenizer = open_backbone(str(base)).tokenizer
    model = AutoModelForSequenceClassification.from_pretrained(base, **THREE)
    if lora:
        model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, **LORA))
    drawn(model, spread=0.05)
    rows = [{**tokenizer(text), "labels": number % 3} for number, text in enumerate(TEXTS)]
    arguments = TrainingArguments(output_dir=str(folder), learning_rate=0.01, **STEP)
    trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    trainer.train()
    return trainer.model.eval()


@pytest.mark.parametrize("backbone", ["named", "its own"])
def test_a_checkpoint_of_trainer(backbone: str, bert: Path, tmp_path: Path) -> None:
    model = trained(bert, tmp_path / "sorting", lora=False)
    checkpoint = tmp_path / "sorting" / "checkpoint-1"
    assert {path.name for path in checkpoint.iterdir()} >= BESIDE
    name = str(bert) if backbone == "named" else None
    stored = Workbench(tmp_path / "ws", []).exchange.import_adapter(checkpoint, name)
    assert (stored.manifest.task.name, stored.manifest.task.kind) == ("sorting", "classification")
    assert stored.manifest.task.labels == tuple(LABELS.values())
    assert stored.manifest.backbone.name == (name or ITSELF)
    assert not BESIDE & {path.name for path in stored.folder.iterdir()}
    batch = open_backbone(str(bert)).tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(here(stored), model(**batch).logits)


def test_a_lora_inside_trainer(bert: Path, tmp_path: Path) -> None:
    model = trained(bert, tmp_path / "sorting", lora=True)
    checkpoint = tmp_path / "sorting" / "checkpoint-1"
    assert {path.name for path in checkpoint.iterdir()} >= BESIDE
    bench = Workbench(tmp_path / "ws", [])
    stored = bench.exchange.import_adapter(checkpoint, str(bert), labels=tuple(LABELS.values()))
    assert (stored.manifest.method, stored.manifest.settings["rank"]) == ("lora", 2)
    batch = open_backbone(str(bert)).tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(here(stored), model(**batch).logits)


def next_tokens(stored: StoredAdapter) -> Tensor:
    """Return the logits of the token after each text (texts, vocabulary)."""
    backbone = backbone_of(stored)
    model = open_adapter(stored, backbone)
    batch = [backbone.tokenizer(text, return_tensors="pt", return_token_type_ids=False) for text in TEXTS]
    with torch.inference_mode():
        return torch.stack([model(**text)["logits"][0, -1] for text in batch])


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
@pytest.mark.parametrize("whole", [False, True])
def test_supervised_fine_tuning_of_trl(whole: bool, llama: Path, tmp_path: Path) -> None:
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    torch.manual_seed(0)
    tokenizer = open_backbone(str(llama)).tokenizer
    rows = Dataset.from_list([{"prompt": text, "completion": " cat"} for text in TEXTS])
    model = AutoModelForCausalLM.from_pretrained(llama)
    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    arguments = SFTConfig(output_dir=str(tmp_path / "tuned"), learning_rate=0.02, bf16=False, max_length=32, **STEP)
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=None if whole else lora,
    )
    trainer.train()
    trainer.save_model()
    bench = Workbench(tmp_path / "ws", [])
    stored = bench.exchange.import_adapter(tmp_path / "tuned", None if whole else str(llama))
    assert (stored.manifest.method, stored.manifest.task.kind) == ("full" if whole else "lora", "causal-lm")
    own = trainer.model.eval()
    batch = [tokenizer(text, return_tensors="pt", return_token_type_ids=False) for text in TEXTS]
    with torch.inference_mode():
        wanted = torch.stack([own(**text).logits[0, -1] for text in batch])
    assert torch.equal(next_tokens(stored), wanted)
