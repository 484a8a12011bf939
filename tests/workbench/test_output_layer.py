"""The output layer that a language model was pretrained with: its own tensors, without the model around them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.workbench.backbone import output_layer as module
from adapter_workbench.workbench.backbone.architecture import is_seq2seq
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.output_layer import output_layer
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from tests.checkpoints import BART, LLAMA, SIZES, T5, rewritten, saved

TIED = {"tie_word_embeddings": True}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "untied": ("LlamaForCausalLM", LLAMA),
    "tied": ("LlamaForCausalLM", {**LLAMA, **TIED}),
    "bf16": ("LlamaForCausalLM", {**LLAMA, **TIED, "dtype": torch.bfloat16}),
    "sharded": ("LlamaForCausalLM", {**LLAMA, "max_shard_size": "20KB"}),
    "gpt2": ("GPT2LMHeadModel", {}),
    "a bias": ("PhiForCausalLM", {"intermediate_size": 64}),
    "a decoder in the model": ("OPTForCausalLM", {"ffn_dim": 64, "word_embed_proj_dim": 32}),
    "t5": ("T5ForConditionalGeneration", T5),
    "t5 with a layer of its own": ("T5ForConditionalGeneration", {**T5, "tie_word_embeddings": False}),
    "bart": ("BartForConditionalGeneration", BART),
}


def opened(name: str, bert: Path, tmp_path: Path) -> Backbone:
    architecture, settings = MODELS[name]
    return open_backbone(str(saved(architecture, bert, tmp_path / "model", **settings)))


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("no model is loaded for it")


@pytest.mark.parametrize("name", MODELS)
def test_it_is_that_of_the_loaded_model_bit_by_bit(
    name: str, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    backbone = opened(name, bert, tmp_path)
    loader = getattr(transformers, MODELS[name][0])
    lm = loader.from_pretrained(backbone.folder, dtype=torch.float32).eval()
    layer, body = lm.get_output_embeddings(), backbone.load()
    with monkeypatch.context() as patch:
        patch.setattr(Backbone, "pretrained", refuse)
        own = output_layer(backbone)
    assert torch.equal(own.weight, layer.weight)
    assert (own.bias is None) == (layer.bias is None)
    ids = torch.tensor([[5, 7, 2, 11, 3]])
    inputs = {"input_ids": ids, **({"decoder_input_ids": ids} if is_seq2seq(backbone.config) else {})}
    with torch.no_grad():
        assert torch.equal(own(body(**inputs).last_hidden_state), lm(**inputs).logits)


def test_packed_layers_below_it_make_no_difference(bert: Path, tmp_path: Path) -> None:
    plain = opened("tied", bert, tmp_path)
    assert torch.equal(output_layer(replace(plain, quantization="nf4")).weight, output_layer(plain).weight)


def test_it_draws_no_number(bert: Path, tmp_path: Path) -> None:
    backbone = opened("t5", bert, tmp_path)
    torch.manual_seed(3)
    output_layer(backbone)
    after = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(4), after)


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "capped": ("Gemma2ForCausalLM", {**LLAMA, "head_dim": 8, "final_logit_softcapping": 30.0}),
    "scaled": ("CohereForCausalLM", {**LLAMA, "logit_scale": 0.5}),
}


# where it is loaded, the states of a tiny model that has learned nothing make logits too small to be capped
@pytest.mark.parametrize(("name", "loads"), [("capped", False), ("scaled", False), ("scaled", True)])
def test_other_logits_are_refused_whether_the_model_is_loaded_or_not(
    name: str, loads: bool, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture, settings = REFUSED[name]
    backbone = open_backbone(str(saved(architecture, bert, tmp_path / "model", **settings)))
    monkeypatch.setattr(*((module, "_read_layer", lambda _: None) if loads else (Backbone, "pretrained", refuse)))
    with pytest.raises(InputError, match="compute its logits"):
        output_layer(backbone)


def test_a_bias_on_the_logits_is_seen(bert: Path, tmp_path: Path) -> None:
    folder = opened("bart", bert, tmp_path).folder
    bias = torch.linspace(-1, 1, SIZES["vocab_size"]).unsqueeze(0)
    biased = rewritten(folder, lambda tensors: {**tensors, "final_logits_bias": bias})
    with pytest.raises(InputError, match="compute its logits"):
        output_layer(biased)


def test_an_architecture_that_is_made_otherwise_is_loaded(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone, asked = opened("untied", bert, tmp_path), []
    loaded = module._layer_of_loaded
    monkeypatch.setattr(module, "_is_linear", lambda *_: None)
    monkeypatch.setattr(module, "_layer_of_loaded", lambda argument: asked.append(argument) or loaded(argument))
    own = output_layer(backbone)
    assert asked == [backbone]
    monkeypatch.undo()
    assert torch.equal(own.weight, output_layer(backbone).weight)
