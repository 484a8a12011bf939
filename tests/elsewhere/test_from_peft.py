"""Folders of plain peft come in, and answer as peft does."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    AdaLoraConfig,
    BOFTConfig,
    C3AConfig,
    DeloraConfig,
    FourierFTConfig,
    GraloraConfig,
    HRAConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    MissConfig,
    OFTConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    RandLoraConfig,
    RoadConfig,
    ShiraConfig,
    VBLoRAConfig,
    VeraConfig,
    WaveFTConfig,
)

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_TYPES
from adapter_workbench.workbench.answering.elsewhere.peft_config import BY_TYPE
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.methods.stored_model import adaptation_of, open_adapter
from tests.elsewhere.senders import TEXTS, answers, answers_here, imported, logits_of, sent_by_peft, trained_by_peft

QV = ["query", "value"]
ON_QV: dict[str, Any] = {"task_type": "SEQ_CLS", "target_modules": QV}
SEQ: dict[str, Any] = {"task_type": "SEQ_CLS"}
LORA: dict[str, Any] = {"rank": 8, "alpha": 8, "dropout": 0.0, "targets": QV}
LAYERS = [f"encoder.layer.{layer}.attention.self" for layer in (0, 1)]
SUMMED = {"all-linear"}  # the pooler has a LoRA: its update is added to its weights, which rounds once more
SAVED = {"vblora-topk"}  # of what it trained it saves the largest weights alone, and the last one as a difference

CASES: dict[str, tuple[Any, dict[str, Any]]] = {  # config → settings in the manifest
    "lora": (LoraConfig(**SEQ, r=4, lora_alpha=6), LORA | {"rank": 4, "alpha": 6}),
    "rslora": (LoraConfig(**SEQ, r=4, use_rslora=True, lora_dropout=0.1), LORA | {"rank": 4, "dropout": 0.1}),
    "dora": (LoraConfig(**SEQ, use_dora=True), LORA),
    "lora-bias": (LoraConfig(**SEQ, lora_bias=True), LORA),
    "bias-all": (LoraConfig(**SEQ, bias="all"), LORA),
    "bias-lora-only": (LoraConfig(**SEQ, bias="lora_only"), LORA),
    "all-linear": (LoraConfig(**SEQ, r=2, target_modules="all-linear"), {}),
    "patterns": (
        LoraConfig(
            **ON_QV, rank_pattern={r"^bert\.encoder\.layer\.0.*": 2}, alpha_pattern={"value": 3, "layer.1.*query": 5}
        ),
        LORA,
    ),
    "layers": (
        LoraConfig(**ON_QV, layers_to_transform=[1]),
        LORA | {"targets": [f"{LAYERS[1]}.query", f"{LAYERS[1]}.value"]},
    ),
    "layers-pattern": (LoraConfig(**ON_QV, layers_to_transform=[1], layers_pattern="layer"), {}),
    "excluded": (LoraConfig(**ON_QV, exclude_modules=["bert.encoder.layer.0.attention.self.query"]), {}),
    "excluded-regex": (LoraConfig(**SEQ, target_modules="all-linear", exclude_modules=r".*pooler.*"), {}),
    "regex": (
        LoraConfig(**SEQ, target_modules=r"bert\.encoder\.layer\.1\..*(query|key)"),
        LORA | {"targets": [f"{LAYERS[1]}.key", f"{LAYERS[1]}.query"]},
    ),
    "embeddings": (LoraConfig(**SEQ, target_modules=["word_embeddings", "query"]), {}),
    "whole-modules": (LoraConfig(**SEQ, modules_to_save=["pooler", "LayerNorm", "word_embeddings"]), LORA),
    "tokens": (LoraConfig(**SEQ, trainable_token_indices=[5, 6, 7]), LORA),
    "gaussian": (LoraConfig(**SEQ, init_lora_weights="gaussian"), LORA),
    "orthogonal": (LoraConfig(**SEQ, init_lora_weights="orthogonal"), LORA),
    "eva": (LoraConfig(**SEQ, init_lora_weights="eva"), LORA),
    "mica": (LoraConfig(**SEQ, init_lora_weights="mica"), LORA),
    "loha": (LoHaConfig(**ON_QV, r=4, alpha=6), {"rank": 4, "alpha": 6, "targets": QV}),
    "lokr": (LoKrConfig(**ON_QV, r=4, alpha=6), {"rank": 4, "alpha": 6, "targets": QV}),
    "lokr-decomposed": (LoKrConfig(**ON_QV, r=2, decompose_both=True, decompose_factor=4), {}),
    "vera": (VeraConfig(**SEQ, r=6), {"rank": 6, "targets": QV}),
    "vera-from-seed": (VeraConfig(**SEQ, r=6, save_projection=False), {"rank": 6, "targets": QV}),
    "ia3": (IA3Config(**SEQ), {}),
    "ia3-feed-forward": (
        IA3Config(**SEQ, target_modules=["key", "output.dense"], feedforward_modules=["output.dense"]),
        {},
    ),
    "oft": (OFTConfig(**ON_QV, oft_block_size=8), {"block_size": 8, "targets": QV}),
    "oft-rank": (OFTConfig(**ON_QV, r=4, oft_block_size=0), {"targets": QV}),
    "boft": (BOFTConfig(**ON_QV, boft_block_size=4), {"block_size": 4, "targets": QV}),
    "adalora": (
        AdaLoraConfig(**ON_QV, init_r=6, target_r=4, total_step=9),
        {"rank": 4, "initial_rank": 6, "alpha": 8, "targets": QV},
    ),
    "shira": (ShiraConfig(**ON_QV, r=2, random_seed=3), {"rank": 2, "mask_seed": 3, "targets": QV}),
    "miss": (MissConfig(**ON_QV, r=4), {"rank": 4, "targets": QV}),
    "miss-bat": (MissConfig(**ON_QV, r=4, init_weights="bat"), {"rank": 4, "targets": QV}),
    "randlora": (RandLoraConfig(**ON_QV, r=4), {"rank": 4, "alpha": 640, "targets": QV}),
    "randlora-from-seed": (RandLoraConfig(**ON_QV, r=4, save_projection=False), {}),
    "road": (RoadConfig(**ON_QV, group_size=8), {"variant": "road_1", "group_size": 8, "targets": QV}),
    "c3a": (C3AConfig(**ON_QV, block_size=8), {"block_size": 8, "targets": QV}),
    "fourierft": (FourierFTConfig(**ON_QV, n_frequency=20), {}),
    "waveft": (WaveFTConfig(**ON_QV, n_frequency=20), {}),
    "delora": (DeloraConfig(**ON_QV, r=4), {"rank": 4, "delora_lambda": 15, "targets": QV}),
    "gralora": (GraloraConfig(**ON_QV, r=4), {}),
    "hra": (HRAConfig(**ON_QV, r=4), {"rank": 4, "targets": QV}),
    "vblora": (VBLoRAConfig(**ON_QV, num_vectors=8, vector_length=16, topk=2), {}),
    "vblora-topk": (
        VBLoRAConfig(**ON_QV, num_vectors=8, vector_length=16, topk=2, save_only_topk_weights=True),
        {},
    ),
    "prompt": (PromptTuningConfig(**SEQ, num_virtual_tokens=4), {"tokens": 4}),
    "p-tuning": (PromptEncoderConfig(**SEQ, num_virtual_tokens=4, encoder_hidden_size=8), {"tokens": 4, "width": 8}),
    "ln": (LNTuningConfig(**SEQ, target_modules=["output.LayerNorm"]), {}),
}


VARIANTS = {  # of what another case tries already
    *("layers-pattern", "excluded-regex", "gaussian", "orthogonal", "mica", "lora-bias", "lokr-decomposed"),
    *("ia3-feed-forward", "oft-rank", "miss-bat", "randlora-from-seed", "vblora-topk", "bias-lora-only"),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.acceptance) if case in VARIANTS else case for case in CASES]
)
def test_answers_are_those_of_plain_peft(case: str, bert: Path, tmp_path: Path) -> None:
    config, settings = CASES[case]
    wanted = sent_by_peft(bert, tmp_path / "sent", config, num_labels=3)()
    stored = imported(bert, tmp_path / "sent", tmp_path / "ws")
    backbone = open_backbone(str(bert))
    model = open_adapter(stored, backbone)
    logits = logits_of(model, backbone)
    if case in SUMMED | SAVED:
        torch.testing.assert_close(logits, wanted, rtol=1e-6, atol=1e-6 if case in SUMMED else 1e-5)
    else:
        assert torch.equal(logits, wanted)
    assert stored.manifest.settings == settings or not settings
    assert adaptation_of(stored.manifest, backbone).backbone_is_intact(model)


def test_every_type_that_is_stored_here_comes_in() -> None:
    kinds = {str(config.peft_type.value) for config, _ in CASES.values()}
    assert kinds == PEFT_TYPES | BY_TYPE.keys()


def test_directions_that_adalora_dropped_stay_dropped(bert: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    config = AdaLoraConfig(**ON_QV, init_r=6, target_r=2, total_step=8, tinit=1, tfinal=2, deltaT=1)
    model = trained_by_peft(bert, config, num_labels=3)
    optimiser = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    batch = open_backbone(str(bert)).tokenizer(TEXTS, padding=True, return_tensors="pt")
    for step in range(1, 9):
        model(**batch, labels=torch.tensor([0, 1, 2, 0])).loss.backward()
        optimiser.step()
        model.base_model.update_and_allocate(step)
        optimiser.zero_grad()
    model.save_pretrained(tmp_path / "sent")
    kept = model.peft_config["default"].rank_pattern
    assert len({sum(flags) for flags in kept.values()}) > 1
    torch.manual_seed(0)
    base = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=3)
    wanted = answers(PeftModel.from_pretrained(base, tmp_path / "sent"), bert)
    assert torch.equal(answers_here(imported(bert, tmp_path / "sent", tmp_path / "ws"), bert), wanted)


def test_what_peft_advises_its_users_is_not_said(bert: Path, tmp_path: Path) -> None:
    for case in ("lora-bias", "vera-from-seed", "ln"):
        sent_by_peft(bert, tmp_path / case, copy.deepcopy(CASES[case][0]), num_labels=3)
        with warnings.catch_warnings(record=True) as advice:
            warnings.simplefilter("always")
            answers_here(imported(bert, tmp_path / case, tmp_path / "ws"), bert)
        assert not [warning for warning in advice if "peft" in warning.filename]
