"""Folders of plain peft come in, and answer as peft does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, TaskType

from experiments.api import Workbench
from tests.elsewhere.senders import TEXTS, sent_by_peft
from workbench.backbone_names import open_backbone
from workbench.stored_model import open_adapter
from workbench.tokenizing import tokenised

SEQ = TaskType.SEQ_CLS
SUMMED = {"all-linear"}  # the pooler has a LoRA: its update is added to its weights, which rounds once more
CONFIGS: dict[str, Any] = {
    "lora": LoraConfig(task_type=SEQ, r=4, lora_alpha=8),
    "rslora": LoraConfig(task_type=SEQ, r=4, use_rslora=True, lora_dropout=0.1),
    "all-linear": LoraConfig(task_type=SEQ, r=2, target_modules="all-linear"),
    "patterns": LoraConfig(
        task_type=SEQ,
        target_modules=["query", "value"],
        rank_pattern={r"^bert\.encoder\.layer\.0.*": 2},
        alpha_pattern={"value": 3},
    ),
    "layers": LoraConfig(task_type=SEQ, target_modules=["query", "dense"], layers_to_transform=[1]),
    "regex": LoraConfig(task_type=SEQ, target_modules=r"bert\.encoder\.layer\.1\..*(query|key)"),
    "dora": LoraConfig(task_type=SEQ, use_dora=True),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_answers_are_those_of_plain_peft(case: str, bert: Path, tmp_path: Path) -> None:
    wanted = sent_by_peft(bert, tmp_path / "sent", CONFIGS[case], num_labels=3)()
    bench = Workbench(tmp_path / "ws", [])
    stored = bench.exchange.import_adapter(tmp_path / "sent", str(bert), labels=("x", "y", "z"))
    backbone = open_backbone(str(bert))
    model = open_adapter(stored, backbone)
    with torch.inference_mode():
        logits = model(**tokenised(backbone.tokenizer, TEXTS, padding=True, return_tensors="pt"))["logits"]
    if case in SUMMED:
        torch.testing.assert_close(logits, wanted, rtol=1e-6, atol=1e-6)
    else:
        assert torch.equal(logits, wanted)
