"""Adapters of peft that came with changes of the base model's own weights: these stay as they are here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.adapters.adapter_folder import CONFIG
from adapter_workbench.workbench.answering.adapter_set import AdapterSet, Question
from adapter_workbench.workbench.answering.elsewhere.form import CLOSE
from adapter_workbench.workbench.answering.elsewhere.head_form import difference
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError
from adapter_workbench.workbench.methods.stored_model import open_adapter
from tests.elsewhere.senders import TEXTS, answers, answers_here, imported, sent_by_peft, trained_by_peft

SEQ: dict[str, Any] = {"task_type": "SEQ_CLS"}
BIAS = "base_model.model.embeddings.LayerNorm.bias"
MOVING = {
    "pissa": LoraConfig(**SEQ, r=4, lora_alpha=6, init_lora_weights="pissa"),
    "olora": LoraConfig(**SEQ, r=4, init_lora_weights="olora"),
    "pissa-rslora": LoraConfig(**SEQ, use_rslora=True, init_lora_weights="pissa", rank_pattern={"value": 4}),
    "olora-alphas": LoraConfig(**SEQ, init_lora_weights="olora", alpha_pattern={"layer.1.*": 3}),
    "pissa-dora": LoraConfig(**SEQ, r=4, use_dora=True, init_lora_weights="pissa"),
}


@pytest.mark.parametrize("case", MOVING)
def test_lora_that_took_from_the_base_model_is_one_beside_it(case: str, bert: Path, tmp_path: Path) -> None:
    """W − s B₀ A₀ + s B A and W + s (B A − B₀ A₀) are rounded otherwise: in float64 they agree to 1e-6."""
    config = MOVING[case]
    rank = config.r
    sender = trained_by_peft(bert, config, num_labels=3)
    sender.save_pretrained(tmp_path / "sent")
    wanted = answers(sender, bert)
    stored = imported(bert, tmp_path / "sent", tmp_path / "ws")
    assert difference(answers_here(stored, bert), wanted) < 10 * CLOSE
    assert stored.manifest.settings["rank"] == 2 * rank
    assert stored.manifest.config is not None
    assert stored.manifest.config["init_lora_weights"] is True
    backbone = open_backbone(str(bert))
    model, batch = open_adapter(stored, backbone), backbone.tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        exact = sender.double()(**batch).logits
        states = model.double().body(**batch).last_hidden_state
        logits = model.head(model.pool(states, batch["attention_mask"]))
    assert difference(logits, exact) < CLOSE


def test_lora_that_took_from_the_base_model_is_composed_like_any(bert: Path, tmp_path: Path) -> None:
    sent_by_peft(bert, tmp_path / "sent", LoraConfig(**SEQ, r=4, init_lora_weights="pissa"), num_labels=3)
    update = lora.read(imported(bert, tmp_path / "sent", tmp_path / "ws").folder)
    assert {pair.b.shape[1] for pair in update.values()} == {8}


@pytest.mark.parametrize(
    ("beginning", "message", "way_out"),
    [
        ("pissa_niter_4", "draws at random", "path_initial_model_for_weight_conversion"),
        ("corda", "reading its sender's texts", "path_initial_model_for_weight_conversion"),
        ("lora_ga", "reading its sender's texts", "path_initial_model_for_weight_conversion"),
        ("loftq", "quantised", "--backbone"),
        ("nonsense", "is not known to peft", ""),
    ],
)
def test_what_was_taken_from_the_base_model_and_is_not_known_is_refused(
    beginning: str, message: str, way_out: str, bert: Path, tmp_path: Path
) -> None:
    sent_by_peft(bert, tmp_path / "sent", LoraConfig(**SEQ, r=4), num_labels=3)
    path = tmp_path / "sent" / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {"init_lora_weights": beginning}))
    with pytest.raises(InputError, match=f"init_lora_weights: '{beginning}' .*{message}") as refused:
        imported(bert, tmp_path / "sent", tmp_path / "ws")
    assert way_out in str(refused.value)
    assert not (tmp_path / "ws" / "adapters").exists()


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("lora_alpha", 0, InputError),
        ("layer_replication", [[0, 2], [1, 2]], InputError),
        ("arrow_config", {"top_k": 2}, InputError),
        ("megatron_core", "os", UnsafeConfigError),
        ("task_type", "QUESTION_ANS", InputError),
        ("task_type", ["SEQ_CLS"], InputError),
        ("peft_type", "PREFIX_TUNING", InputError),
        ("peft_type", "XLORA", InputError),
        ("a_key_of_tomorrow", 1, InputError),
    ],
)
def test_config_that_cannot_be_taken_in_is_one_message(
    key: str, value: object, error: type[InputError], bert: Path, tmp_path: Path
) -> None:
    sent_by_peft(bert, tmp_path / "sent", LoraConfig(**SEQ, r=4), num_labels=3)
    path = tmp_path / "sent" / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(error, match=f"{path}.*{key}"):
        imported(bert, tmp_path / "sent", tmp_path / "ws")


def test_trained_biases_are_nobody_elses(bert: Path, tmp_path: Path) -> None:
    """They stand in the place of the base model's own, so such an adapter has a body of its own."""
    wanted, bench = {}, Workbench(tmp_path / "ws", [])
    for name, bias in (("plain", "none"), ("biased", "all"), ("other", "none")):
        config = LoraConfig(**SEQ, r=4, bias=bias)
        wanted[name] = sent_by_peft(bert, tmp_path / name, config, num_labels=3)()
        bench.exchange.import_adapter(tmp_path / name, str(bert), labels=("x", "y", "z"), name=name)
    store = bench.workspace.adapters
    stored = {name.partition("-")[0]: store.get(name) for name in store.ids()}
    backbone = open_backbone(str(bert))
    biased = open_adapter(stored["biased"], backbone)  # it holds its numbers
    assert not torch.equal(biased.body.get_parameter(BIAS), backbone.load().get_parameter("embeddings.LayerNorm.bias"))
    assert backbone.is_intact(backbone.load())
    for name in ("plain", "biased"):
        assert torch.equal(answers_here(stored[name], bert), wanted[name])
    opened = AdapterSet.open([*stored.values()], backbone)
    assert [sorted(adapter.partition("-")[0] for adapter in group.adapters) for group in opened.groups] in (
        [["other", "plain"], ["biased"]],
        [["biased"], ["other", "plain"]],
    )
    for name, logits in wanted.items():
        (answers,) = opened.answers([Question(rows_of(TEXTS), [stored[name].id] * len(TEXTS))])
        assert [answer.words for answer in answers] == ["xyz"[index] for index in logits.argmax(dim=1)]
