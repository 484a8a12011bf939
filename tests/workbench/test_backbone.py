"""Opening backbones: names, folders, configs that ask for foreign code, fingerprints and pooling."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.workbench.backbone.fingerprints import fingerprint
from adapter_workbench.workbench.backbone.model_folder import check_folder
from adapter_workbench.workbench.backbone.names import (
    BACKBONES,
    BackboneCard,
    backbone_available,
    config_of,
    open_backbone,
)
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import AssetError, InputError, UnknownNameError, UnsafeConfigError
from adapter_workbench.workbench.files import hub_files, wheel
from adapter_workbench.workbench.settings.base import read


@pytest.fixture
def copy(bert: Path, tmp_path: Path) -> Path:
    """A BERT folder that may be changed."""
    return shutil.copytree(bert, tmp_path / "bert")


def change(folder: Path, file: str = "config.json", **keys: Any) -> Path:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**content, **keys}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"_attn_implementation_internal": "owner/kernel"}, "_attn_implementation_internal"),
        ({"_attn_implementation_internal": "sdpa"}, "_attn_implementation_internal"),
        ({"auto_map": {"AutoModel": "modeling.Model"}}, "auto_map"),
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"text_config": {"deeper": [{"trust_remote_code": True}]}}, "trust_remote_code"),
        ({"vision_config": {"auto_map": {"AutoModel": "owner/repo--m.M"}}}, "auto_map"),
        ({"text_config": {"_attn_implementation_internal": "owner/kernel"}}, "_attn_implementation_internal"),
        ({"attn_implementation": "owner/kernel"}, "attn_implementation"),
        ({"_attn_implementation": "owner/kernel@main:attention"}, "_attn_implementation"),
        ({"text_config": {"_attn_implementation": "paged|owner/kernel"}}, "_attn_implementation"),
        ({"attn_implementation": {"text_config": "owner/kernel"}}, "attn_implementation"),
        ({"attn_implementation": ["owner/kernel"]}, "attn_implementation"),
    ],
)
def test_a_config_that_asks_for_foreign_code_is_refused(copy: Path, keys: dict[str, Any], named: str) -> None:
    change(copy, **keys)
    for act in (check_folder, lambda folder: open_backbone(str(folder))):
        with pytest.raises(UnsafeConfigError, match=rf"config\.json: {named}: ") as caught:
            act(copy)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("attention", [None, "eager", "sdpa", "flash_attention_2"])
def test_built_in_attention_is_accepted(copy: Path, attention: str | None) -> None:
    check_folder(change(copy, attn_implementation=attention, _attn_implementation=attention))


def test_the_tiny_models_are_accepted(bert: Path, llama: Path) -> None:
    check_folder(bert)
    check_folder(llama)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]", b'{"hidden_size": 3}', None])
def test_a_config_that_is_none_is_an_input_error(copy: Path, content: bytes | None) -> None:
    if content is None:
        (copy / "config.json").unlink()
    else:
        (copy / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=copy.name):
        open_backbone(str(copy))


def test_a_folder_without_a_model_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no readable model config"):
        open_backbone(str(tmp_path))


@pytest.mark.parametrize("name", ["minilmm", "./nowhere", "/nowhere/at/all"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownNameError, match="recipe, line 2: there is no backbone") as caught:
        open_backbone(name, where="recipe, line 2")
    assert "minilm" in str(caught.value)


def test_a_folder_may_begin_with_the_home_folder(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(bert.parent))
    name = f"~/{bert.name}"
    assert open_backbone(name) == open_backbone(str(bert))
    assert open_backbone(f"{name}:nf4") == open_backbone(str(bert)).quantized("nf4")
    assert backbone_available(name).state == "here"
    assert config_of(name).model_type == config_of(f"{name}/config.json").model_type == "bert"


def test_a_hub_id_is_fetched_with_its_revision(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def hub_folder(repository: str, revision: str | None = None) -> Path:
        asked.append((repository, revision))
        return bert

    monkeypatch.setattr(hub_files, "hub_folder", hub_folder)
    assert open_backbone("owner/model@abc123") == Backbone("owner/model@abc123", bert, "mean", "owner/model")
    assert open_backbone("owner/model").hub_id == "owner/model"
    assert asked == [("owner/model", "abc123"), ("owner/model", None)]


def test_a_hub_that_cannot_be_reached_is_an_asset_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(AssetError, match="cannot fetch 'owner/model'"):
        open_backbone("owner/model")
    with pytest.raises(AssetError, match="cannot fetch 'not/a/model'"):
        open_backbone("not/a/model")


def test_a_config_from_the_hub_is_checked_too(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_files, "hub_folder", lambda repository, revision: change(copy, trust_remote_code=True))
    with pytest.raises(UnsafeConfigError):
        open_backbone("owner/model")


@pytest.mark.parametrize("name", BACKBONES.names())
def test_every_registered_backbone_has_a_complete_card(name: str) -> None:
    card = read(BACKBONES.path(name)).parse(BackboneCard)
    assert "==" in card.wheel.package, "the version is pinned"
    assert len(bytes.fromhex(card.wheel.sha256)) == 32


def test_a_registered_name_is_opened_from_its_wheel(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = read(BACKBONES.path("minilm")).parse(BackboneCard)
    asked = []

    def wheel_member(*arguments: str) -> Path:
        asked.append(arguments)
        return bert

    monkeypatch.setattr(wheel, "wheel_member", wheel_member)
    assert open_backbone("minilm") == Backbone("minilm", bert, "mean", card.hub_id, license="Apache-2.0", pinned=True)
    assert asked == [(card.wheel.package, card.wheel.member, card.wheel.sha256)]


def test_two_loads_have_one_fingerprint(bert: Path, llama: Path) -> None:
    first, second = open_backbone(str(bert)), open_backbone(str(bert))
    assert first.fingerprint == second.fingerprint == fingerprint(first.load().named_parameters())
    assert first.fingerprint != open_backbone(str(llama)).fingerprint


def test_the_fingerprint_is_sha256_of_names_shapes_and_bytes() -> None:
    parameters = {"a.weight": torch.tensor([[1.0, 2.0]]), "b": torch.tensor(3.0)}
    by_hand = hashlib.sha256(
        b"a.weight (1, 2) torch.float32\n"
        + bytes.fromhex("0000803f00000040")  # 1.0 and 2.0 in IEEE 754, little endian
        + b"b () torch.float32\n"
        + bytes.fromhex("00004040")
    )
    assert fingerprint(iter(parameters.items())) == by_hand.hexdigest()
    renamed = {"a.weights": parameters["a.weight"], "b": parameters["b"]}
    assert fingerprint(iter(renamed.items())) != by_hand.hexdigest()
    reshaped = {"a.weight": parameters["a.weight"].T, "b": parameters["b"]}
    assert fingerprint(iter(reshaped.items())) != by_hand.hexdigest()


@torch.no_grad()
def test_one_bit_of_one_weight_changes_the_fingerprint(backbone: Backbone) -> None:
    body = backbone.load()
    weight = body.get_parameter("encoder.layer.1.output.dense.weight")
    assert fingerprint(body.named_parameters()) == backbone.fingerprint
    bits = weight.view(torch.int32)
    bits[3, 5] ^= 1
    assert fingerprint(body.named_parameters()) != backbone.fingerprint
    bits[3, 5] ^= 1
    assert fingerprint(body.named_parameters()) == backbone.fingerprint


def test_weights_that_the_checkpoint_lacks_are_the_same_in_every_load(copy: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    # as roberta-base: saved with a language-model head and without the pooler that AutoModel adds
    BertForMaskedLM(BertConfig.from_pretrained(copy)).save_pretrained(copy)
    torch.manual_seed(1)
    first = open_backbone(str(copy)).fingerprint
    torch.manual_seed(2)
    assert open_backbone(str(copy)).fingerprint == first


def test_a_load_is_fresh_frozen_in_time_and_in_float32(backbone: Backbone) -> None:
    first, second = backbone.load(), backbone.load()
    assert not first.training
    assert {parameter.dtype for parameter in first.parameters()} == {torch.float32}
    with torch.no_grad():
        next(first.parameters()).fill_(0)
    assert fingerprint(second.named_parameters()) == backbone.fingerprint


def test_half_precision_weights_are_widened(copy: Path) -> None:
    from transformers import AutoModel

    AutoModel.from_pretrained(copy, dtype=torch.bfloat16).save_pretrained(copy)
    assert {parameter.dtype for parameter in open_backbone(str(copy)).load().parameters()} == {torch.float32}


def test_pickled_weights_are_never_read(copy: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises((InputError, OSError), match="safetensors"):
        open_backbone(str(copy)).load()


def test_an_adapter_beside_the_model_does_not_lead_to_another_model(copy: Path, llama: Path) -> None:
    from peft import LoraConfig

    LoraConfig(base_model_name_or_path=str(llama), target_modules=["q_proj"]).save_pretrained(copy)
    try:
        body = open_backbone(str(copy)).load()
    except InputError:
        return  # refusing such a folder is right as well
    assert type(body).__name__ == "BertModel"


def test_a_tokenizer_that_asks_for_foreign_code_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    change(copy, "tokenizer_config.json", auto_map={"AutoTokenizer": ["t.Slow", None]}, tokenizer_class="Slow")
    with pytest.raises((InputError, ValueError)):
        open_backbone(str(copy)).tokenizer  # noqa: B018 # a property that reads files
    assert not asked, "nobody is asked whether foreign code may run"


def test_pooling_suits_the_architecture_where_nothing_is_stated(bert: Path, llama: Path) -> None:
    assert open_backbone(str(bert)).pooling == "mean"
    assert open_backbone(str(llama)).pooling == "last"


@pytest.mark.parametrize(
    ("mode", "pooling"),
    [
        ("pooling_mode_cls_token", "first"),
        ("pooling_mode_mean_tokens", "mean"),
        ("pooling_mode_lasttoken", "last"),
    ],
)
@pytest.mark.parametrize("architecture", ["BertModel", "LlamaForCausalLM"])
def test_pooling_is_what_sentence_transformers_states(copy: Path, mode: str, pooling: str, architecture: str) -> None:
    modes = dict.fromkeys(("pooling_mode_cls_token", "pooling_mode_mean_tokens", "pooling_mode_lasttoken"), False)
    change(copy, architectures=[architecture])
    change(copy, "1_Pooling/config.json", word_embedding_dimension=32, **{**modes, mode: True})
    assert open_backbone(str(copy)).pooling == pooling


def test_a_tokenizer_without_padding_pads_with_its_end(copy: Path) -> None:
    change(copy, "tokenizer_config.json", pad_token=None, eos_token="[SEP]")
    special = copy / "special_tokens_map.json"
    special.write_text(json.dumps({"eos_token": "[SEP]"}), encoding="utf-8")
    assert open_backbone(str(copy)).tokenizer.pad_token == "[SEP]"
