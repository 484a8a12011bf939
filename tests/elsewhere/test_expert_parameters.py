"""LoRAs of peft on single parameters (`target_parameters`), as those of layers of experts are: they answer as there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from adapter_workbench.workbench.answering.adapter_set import AdapterSet, Question
from adapter_workbench.workbench.answering.predictor import OpenedAdapter, rows_of
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import adaptation_of, open_adapter
from tests.elsewhere.senders import TEXTS, answers_here, imported, sent_by_peft
from tests.tiny_models import SIZES, write_model

EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
CASES: dict[str, dict[str, Any]] = {
    "beside modules": {"target_modules": ["q_proj"], "target_parameters": EXPERTS},
    "alone": {"target_modules": [], "target_parameters": EXPERTS},
    "patterns": {
        "target_modules": [],
        "target_parameters": ["experts.down_proj"],
        "rank_pattern": {"experts.down_proj": 4},
        "alpha_pattern": {"layers.0.mlp.experts.down_proj": 3},
    },
    "a matrix": {"target_modules": [], "target_parameters": ["q_proj.weight"]},
}


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a GPT-OSS of 2 layers × 32 with four experts, whose matrices are single parameters."""
    from transformers import GptOssConfig, GptOssForCausalLM

    config = GptOssConfig(
        **SIZES,
        num_key_value_heads=2,
        head_dim=8,
        num_local_experts=4,
        num_experts_per_tok=2,
        rope_scaling=None,
        pad_token_id=0,
    )
    return write_model(tmp_path_factory.mktemp("experts") / "base", GptOssForCausalLM, config)


@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_of_peft(case: str, experts: Path, tmp_path: Path) -> None:
    config = LoraConfig(task_type="CAUSAL_LM", r=2, **CASES[case])
    wanted = sent_by_peft(experts, tmp_path / "sent", config, "AutoModelForCausalLM")()
    stored = imported(experts, tmp_path / "sent", tmp_path / "ws", labels=())
    assert torch.equal(answers_here(stored, experts), wanted)
    backbone = open_backbone(str(experts))
    assert adaptation_of(stored.manifest, backbone).backbone_is_intact(open_adapter(stored, backbone))


def test_in_a_set_it_answers_as_alone(bert: Path, tmp_path: Path) -> None:
    """A bank would take the square matrix of an attention for a plain LoRA, whose update is not transposed."""
    targets = {"plain": {"target_modules": ["query"]}} | {
        name: {"target_modules": [], "target_parameters": [f"{name}.weight"]} for name in ("query", "value")
    }
    adapters = []
    for name, target in targets.items():
        sent_by_peft(bert, tmp_path / name, LoraConfig(task_type="SEQ_CLS", r=2, **target), num_labels=3)
        adapters.append(imported(bert, tmp_path / name, tmp_path / "ws", name=name))
    backbone, rows = open_backbone(str(bert)), rows_of(TEXTS)
    opened = AdapterSet.open(adapters, backbone)
    alone = [OpenedAdapter.open(adapter, backbone).answers(TEXTS) for adapter in adapters]
    assert [opened.answers([Question(rows, [adapter.id] * len(TEXTS))])[0] for adapter in adapters] == alone
    assert len({answers[0].confidence for answers in alone}) == len(adapters), "else nothing is shown"


def test_an_output_layer_is_named(experts: Path, tmp_path: Path) -> None:
    config = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=[], target_parameters=["lm_head.weight"])
    sent_by_peft(experts, tmp_path / "sent", config, "AutoModelForCausalLM")
    with pytest.raises(InputError, match="lm_head was trained, and answers are generated here with the base model's"):
        imported(experts, tmp_path / "sent", tmp_path / "ws", labels=())
