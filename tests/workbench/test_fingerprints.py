"""Fingerprints from the files' tensors: those of the loaded model, remembered only for files that stay as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.workbench.backbone import fingerprints, stored_tensors
from adapter_workbench.workbench.backbone.fingerprints import fingerprint, of_files
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from tests.checkpoints import BART, LLAMA, T5, rewritten, saved
from tests.process_memory import as_another_process, settled_files


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settled_files(monkeypatch)
    as_another_process(monkeypatch)
    monkeypatch.setattr(fingerprints, "cache_folder", lambda: tmp_path / "cache")


CHECKPOINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "an encoder": ("BertModel", {}),
    "an encoder below a head": ("BertForSequenceClassification", {}),
    "a causal LM": ("LlamaForCausalLM", LLAMA),
    "tied weights": ("LlamaForCausalLM", {**LLAMA, "tie_word_embeddings": True}),
    "transposed matrices": ("GPT2LMHeadModel", {}),
    "bf16": ("LlamaForCausalLM", {**LLAMA, "dtype": torch.bfloat16}),
    "fp16": ("BertModel", {"dtype": torch.float16}),
    "sharded": ("LlamaForCausalLM", {**LLAMA, "max_shard_size": "20KB"}),
    "seq2seq": ("T5ForConditionalGeneration", T5),
    "seq2seq below a prefix": ("BartForConditionalGeneration", BART),
}


def made(checkpoint: str, bert: Path, folder: Path) -> Path:
    architecture, settings = CHECKPOINTS[checkpoint]
    return saved(architecture, bert, folder, **settings)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_the_files_tell_the_fingerprint_of_the_loaded_model(
    checkpoint: str, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_tensors, "CHUNK", 100)  # so that most tensors are read in several parts
    backbone = open_backbone(str(made(checkpoint, bert, tmp_path / "model")))
    assert len(list(backbone.folder.glob("*.safetensors"))) > (checkpoint == "sharded")
    expected = fingerprint(backbone.load().named_parameters())
    assert of_files(backbone.folder, backbone.config) == expected
    monkeypatch.setattr(Backbone, "load", None)  # nothing is loaded for it
    assert backbone.fingerprint == expected


def test_an_index_that_does_not_agree_with_its_files_is_left_to_transformers(bert: Path, tmp_path: Path) -> None:
    backbone = open_backbone(str(made("sharded", bert, tmp_path / "model")))
    index = backbone.folder / "model.safetensors.index.json"
    assert of_files(backbone.folder, backbone.config)
    content = json.loads(index.read_text())
    content["weight_map"].popitem()
    index.write_text(json.dumps(content))
    assert of_files(backbone.folder, backbone.config) is None


def without_pooler(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if "pooler" not in name}


def with_old_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    return {
        next((name.replace(*pair) for pair in old.items() if pair[0] in name), name): tensors[name] for name in tensors
    }


def in_double(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.double() for name, tensor in tensors.items()}


@pytest.mark.parametrize("change", [without_pooler, with_old_names, in_double])
def test_what_is_drawn_or_renamed_is_left_to_loading(
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], bert: Path, tmp_path: Path
) -> None:
    backbone = rewritten(made("an encoder", bert, tmp_path / "model"), change)
    assert of_files(backbone.folder, backbone.config) is None
    assert backbone.fingerprint == fingerprint(backbone.load().named_parameters())


@pytest.mark.parametrize("equal", [True, False])
def test_tied_weights_may_stand_there_twice_where_they_are_equal(equal: bool, bert: Path, tmp_path: Path) -> None:
    def twice(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {**tensors, "encoder.embed_tokens.weight": tensors["shared.weight"] + (0 if equal else 1)}

    backbone = rewritten(made("seq2seq", bert, tmp_path / "model"), twice)
    expected = fingerprint(backbone.load().named_parameters())
    assert of_files(backbone.folder, backbone.config) == (expected if equal else None)
    assert backbone.fingerprint == expected


def test_a_checkpoint_of_more_layers_is_refused(bert: Path, tmp_path: Path) -> None:
    folder = made("an encoder below a head", bert, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    with pytest.raises(InputError, match="describe the layer"):
        open_backbone(str(folder)).fingerprint  # noqa: B018 # a property that reads files


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list that grows with every computation."""
    asked: list[Path] = []
    compute = fingerprints._stream

    def listen(folder: Path, config: Any) -> str | None:
        asked.append(folder)
        return compute(folder, config)

    monkeypatch.setattr(fingerprints, "_stream", listen)
    return asked


def test_it_is_computed_once_for_each_state_of_the_files(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = shutil.copytree(bert, tmp_path / "model"), counted(monkeypatch)
    first = open_backbone(str(folder)).fingerprint
    assert open_backbone(str(folder)).fingerprint == first
    as_another_process(monkeypatch)
    assert open_backbone(str(folder)).fingerprint == first
    assert len(asked) == 1
    changed = rewritten(folder, lambda tensors: {name: tensor + 1 for name, tensor in tensors.items()})
    assert changed.fingerprint == fingerprint(changed.load().named_parameters()) != first
    assert len(asked) == 2


def test_files_that_have_just_changed_are_not_remembered(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "SETTLED", 3600.0)
    folder, asked = shutil.copytree(bert, tmp_path / "model"), counted(monkeypatch)
    assert open_backbone(str(folder)).fingerprint == open_backbone(str(folder)).fingerprint
    assert len(asked) == 2
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:70],
        lambda content: b"\x80\x04\x95pickled",
        lambda content: content.replace(b'"fingerprint": "', b'"fingerprint": "0')[:-1],
        lambda content: b'{"state": "x", "fingerprint": "y"}',
        lambda content: b"[" * 4000,
        lambda content: json.dumps({**json.loads(content), "fingerprint": "0" * 64}).encode(),
        lambda content: json.dumps({"state": "0" * 64, "fingerprint": "0" * 64}).encode(),
        lambda content: content + b" " * 5000,
    ],
)
def test_a_damaged_or_foreign_entry_is_computed_anew(
    damage: Callable[[bytes], bytes], bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = open_backbone(str(bert)).fingerprint
    (entry,) = (tmp_path / "cache" / fingerprints.FOLDER).iterdir()
    content = entry.read_bytes()
    entry.write_bytes(damage(content))
    as_another_process(monkeypatch)
    assert open_backbone(str(bert)).fingerprint == expected
    assert entry.read_bytes() == content, "it is put right"


def test_a_cache_that_cannot_be_written_is_in_nobodys_way(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    backbone = open_backbone(str(bert))
    assert backbone.fingerprint == fingerprint(backbone.load().named_parameters())
