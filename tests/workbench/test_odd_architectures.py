"""Architectures that are unlike BERT, LLaMA and T5 in one thing: a method works there, or says that it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import PretrainedConfig

from adapter_workbench.workbench.backbone.architecture import biases, blocks, new_model, parameters, positions
from adapter_workbench.workbench.backbone.config import config_object
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import METHODS, trained_methods
from tests.elsewhere.architectures import write_base
from tests.elsewhere.senders import assert_comes_back
from tests.messages import naming
from tests.sampled import waiting
from tests.test_contracts import TINY

SIZES = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES |= {"intermediate_size": 64, "max_position_embeddings": 64}
GPT2 = {"model_type": "gpt2", "vocab_size": 20, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
XLNET = {"d_model": 32, "n_head": 4, "d_head": 8, "max_position_embeddings": -1}
ONLY_ADAPTERS = pytest.mark.skipif(not installed_version("adapters"), reason="the package adapters is not installed")


def config_of(kind: str, **keys: Any) -> PretrainedConfig:
    return config_object({**SIZES, "model_type": kind, **keys}, "here")


def settings_of(card: Method, method: str) -> Any:
    return card.settings(**TINY.get(method, {}))


def adapted(method: str, config: PretrainedConfig) -> Any:
    """Return a tiny model of ``config`` under a method that has no objection."""
    card = METHODS.get(method)
    settings = settings_of(card, method)
    assert card.objection(settings, config, "classification") is None
    torch.manual_seed(0)
    return LIBRARIES.get(card.library).attach(new_model(config), card.configure(settings, config))


def objection(method: str, config: PretrainedConfig) -> str:
    card = METHODS.get(method)
    return card.objection(settings_of(card, method), config, "classification") or ""


def test_methods_of_peft_learn_on_transposed_matrices_or_say_so() -> None:
    config, refused = config_object(GPT2, "here"), set()
    for method in trained_methods():
        if METHODS.get(method).library != "peft":
            continue
        if why := objection(method, config):
            assert "Conv1D" in why
            refused.add(method)
        else:
            adapted(method, config)(input_ids=torch.tensor([[2, 5, 6, 3]])).last_hidden_state.sum().backward()
    assert refused == {"boft", "c3a", "delora", "hra", "loha", "lokr", "miss", "oft", "road", "shira"}


@pytest.mark.parametrize("method", ["lora", *(waiting(name) for name in trained_methods() if name != "lora")])
def test_an_adapter_on_transposed_matrices_comes_back(method: str, tmp_path: Path) -> None:
    """peft notes in the stored config that matrices are transposed (``fan_in_fan_out``); no manifest says that."""
    backbone = open_backbone(str(write_base(tmp_path / "gpt2", "gpt2")))
    adaptation, reader = (
        Adaptation(backbone, method, settings_of(METHODS.get(method), method), "fp32") for _ in range(2)
    )
    if why := adaptation.card.objection(adaptation.settings, backbone.config, "causal-lm"):
        pytest.skip(why)
    (folder := tmp_path / "adapter").mkdir()
    assert_comes_back(adaptation, reader, adaptation.fresh("causal-lm", 2, seed=0).body, "causal-lm", folder)


def test_a_transposed_matrix_has_as_many_columns_as_inputs() -> None:
    card = METHODS.get("vblora")
    wide = {"vector_length": 96, "targets": "h.0.attn.c_attn"}  # 96 outputs, 32 inputs
    assert "96 does not divide a matrix of 96 × 32" in card.objection(
        card.settings(**wide), config_object(GPT2, "here"), ""
    )


def test_s4_needs_layers_with_weights_of_their_own() -> None:
    assert "each with weights of its own" in objection("s4", config_of("albert", embedding_size=16))
    assert objection("s4", config_of("bert")) == ""


def test_a_hypernetwork_needs_matrices_too() -> None:
    assert "no matrix there has a name that peft would adapt" in objection("hypernetwork", config_of("xlnet", **XLNET))


@pytest.mark.parametrize("method", ["prompt", "p-tuning"])
@pytest.mark.parametrize(("kind", "key"), [("electra", "embedding_size"), ("albert", "embedding_size")])
def test_virtual_tokens_are_as_wide_as_embeddings(method: str, kind: str, key: str) -> None:
    body = adapted(method, config_of(kind, **{key: 16}))
    assert body.peft_config["default"].token_dim == 16
    states = body(input_ids=torch.tensor([[2, 5, 6, 3]])).last_hidden_state
    assert states.shape == (1, 4, 32)


@pytest.mark.parametrize(
    ("kind", "keys", "room"),
    [
        ("bert", {}, 64),
        ("roberta", {"pad_token_id": 1}, 62),  # positions 0 and 1 are those of no token and of padding
        ("mpnet", {"pad_token_id": 1}, 62),
        ("xlnet", XLNET, None),
        ("t5", {}, None),
    ],
)
def test_as_many_tokens_fit_as_there_are_positions_for(kind: str, keys: dict[str, int], room: int | None) -> None:
    config = config_of(kind, **keys)
    assert positions(config) == room
    virtual = METHODS.get("prompt").objection(METHODS.get("prompt").settings(tokens=62), config, "classification")
    assert bool(virtual) == (room == 62)


def test_the_longest_text_that_is_allowed_can_be_read(bert: Path) -> None:
    roberta = Backbone("roberta", bert, "mean")
    vars(roberta)["config"] = config = config_of("roberta", pad_token_id=1)
    roberta.require_length(62)
    with pytest.raises(InputError, match=naming("42 tokens of a text", "20 virtual tokens")):
        roberta.require_length(43, virtual=20)
    body = new_model(config)
    body(input_ids=torch.full((1, 62), 5))
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        body(input_ids=torch.full((1, 63), 5))


@pytest.mark.parametrize(
    ("kind", "keys", "names"),
    [("deberta", {}, {"q_bias", "v_bias"}), ("xlnet", XLNET, {"r_w_bias", "r_r_bias", "r_s_bias"})],
)
def test_biases_of_other_names_are_biases(kind: str, keys: dict[str, int], names: set[str]) -> None:
    trained, all_of_it = biases(config_of(kind, **keys)), parameters(config_of(kind, **keys))
    assert {name.rpartition(".")[2] for name in trained} == {"bias", *names}
    assert {name for name in all_of_it if name.rpartition(".")[2] in names} < trained


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression", "token-classification"])
def test_a_head_is_as_wide_as_the_states(kind: str) -> None:
    opt = Backbone("opt", Path("nowhere"), "last")
    vars(opt)["config"] = config = config_of("opt", ffn_dim=64, word_embed_proj_dim=16, do_layer_norm_before=False)
    states = new_model(config)(input_ids=torch.tensor([[2, 5, 6, 3]])).last_hidden_state
    head = KINDS.get(kind).head(opt, 3)
    assert head(states).shape == (1, 4, 1 if kind == "regression" else 3)


@pytest.mark.parametrize(
    ("kind", "keys", "after"),
    [
        ("mpnet", {}, set()),
        ("deberta-v2", {"relative_attention": True, "norm_rel_ebd": "layer_norm", "conv_kernel_size": 3}, set()),
        ("mbart", {"d_model": 32, "decoder_attention_heads": 4, "decoder_layers": 2}, {"decoder.layer_norm"}),
        ("opt", {"ffn_dim": 64}, set()),
        ("xlm-roberta-xl", {}, {"encoder.LayerNorm"}),
    ],
)
def test_partial_fine_tuning_leaves_what_acts_before_the_blocks(kind: str, keys: Any, after: set[str]) -> None:
    config, card = config_of(kind, **keys), METHODS.get("partial")
    trained = [*filter(card.configure(card.settings(last_k=1), config), parameters(config))]
    last = f"{blocks(config)[-1]}."
    assert {name.rpartition(".")[0] for name in trained if not name.startswith(last)} == after
    assert any(name.startswith(last) for name in trained)


@ONLY_ADAPTERS
@pytest.mark.parametrize("method", ["prefix", "mam", "unipelt"])
def test_a_prefix_is_for_heads_of_the_usual_width(method: str) -> None:
    usual, wide = (config_of("mistral", num_key_value_heads=2, head_dim=width) for width in (8, 16))
    assert objection(method, usual) == ""
    assert "its attention heads are 16 wide, but the package makes prefixes for 8" in objection(method, wide)


def test_an_answer_that_has_ended_needs_no_positions_while_longer_ones_are_written(tmp_path: Path) -> None:
    """Positions are in a table, and a prompt with its own short answer takes all of them."""
    backbone = open_backbone(str(write_base(tmp_path / "gpt2", "gpt2")))
    kind, room = KINDS.get("causal-lm"), positions(backbone.config)
    assert room
    model = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32").fresh("causal-lm", 0, seed=0)
    long = " ".join(["cat"] * room)
    rows = Dataset.from_dict({"text": [long, "dog", "cat"], "max_new_tokens": [2, 12, 12]})
    together = kind.answers(model, rows, backbone.tokenizer, room)
    alone = [kind.answers(model, rows.select([row]), backbone.tokenizer, room)[0] for row in range(3)]
    assert len(together[0].question) + len(together[0].tokens) == room
    assert [answer.tokens.tolist() for answer in together] == [answer.tokens.tolist() for answer in alone]
