"""A whole model that is its own backbone: opened wherever its workspace is, copied or linked, and verified."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from mlflow.models import Model
from mlflow.pyfunc import load_model
from safetensors.torch import save_file

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.manifest import (
    MANIFEST,
    Elsewhere,
    LinkedFiles,
    read_manifest,
    write_manifest,
)
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.backbone.names import model_in, open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError, IntegrityError, UnknownNameError, UnsafeConfigError
from adapter_workbench.workbench.files.checksummed import digests
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE, Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import backbone_of, describe, keep, open_adapter
from adapter_workbench.workbench.mlflow import logged_model
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import toy
from tests.messages import naming

TEXT = "the cat often"


def stored(model: Path, store: AdapterStore, link: bool = False) -> StoredAdapter:
    """Return a whole model under a linear head, its files in the adapter's folder or where they are."""
    task, backbone = toy("classification"), model_in(model, ITSELF)
    adaptation = Adaptation(backbone, "full", METHODS.get("full").settings(), "fp32")
    record = FitRecord((), 0, 0.5, 0, 0.0, None, 1)
    manifest = describe("animals-full", task, adaptation, Budget(max_length=16, precision="fp32"), 0, record)
    linked = LinkedFiles(folder=str(model), files=digests(model)) if link else None

    def write(folder: Path) -> None:
        if not link:
            shutil.copytree(model, folder, dirs_exist_ok=True)
        weight = torch.arange(64.0).reshape(2, 32) / 64
        save_file({"weight": weight, "bias": torch.zeros(2)}, folder / HEAD_FILE)

    return store.save(manifest.model_copy(update={"linked": linked}), write)


def logits(adapter: StoredAdapter, backbone: Backbone) -> Any:
    with torch.inference_mode():
        batch = backbone.tokenizer(TEXT, return_tensors="pt")
        return open_adapter(adapter, backbone)(**batch)["logits"]


@pytest.fixture
def model(bert: Path, tmp_path: Path) -> Path:
    """A BERT that may be changed."""
    return shutil.copytree(bert, tmp_path / "model")


def test_a_workspace_is_moved_with_the_models_in_it(model: Path, tmp_path: Path) -> None:
    adapter = stored(model, AdapterStore(tmp_path / "here"))
    wanted = logits(adapter, open_backbone(str(model)))  # the same weights under another name
    shutil.rmtree(model)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = AdapterStore(tmp_path / "there").verify("animals-full")
    assert torch.equal(logits(moved, backbone_of(moved)), wanted)


def test_a_logged_one_answers_from_its_own_files(model: Path, tmp_path: Path) -> None:
    adapter = stored(model, AdapterStore(tmp_path / "here"))
    wanted = logits(adapter, backbone_of(adapter))
    logged_model.save(adapter, tmp_path / "logged", Model())
    shutil.rmtree(model)
    shutil.rmtree(tmp_path / "here")
    frame = load_model(str(tmp_path / "logged")).predict(pd.DataFrame({"text": [TEXT]}))
    assert frame["label"].tolist() == [adapter.manifest.task.labels[int(wanted.argmax())]]
    assert frame["confidence"].tolist() == pytest.approx([float(wanted.softmax(-1).max())])


def test_what_is_made_on_a_whole_model_belongs_to_it(model: Path, tmp_path: Path) -> None:
    store = AdapterStore(tmp_path / "here")
    backbone = backbone_of(stored(model, store))
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32")
    lora = adaptation.fresh("classification", 2, seed=0)
    record, budget = FitRecord((), 0, 0.5, 0, 0.0, None, 1), Budget(max_length=16, precision="fp32")
    manifest = describe("animals-lora", toy("classification"), adaptation, budget, 0, record)
    adapter = keep(lora, adaptation, manifest, store)
    assert not adapter.manifest.is_whole
    wanted = logits(adapter, backbone_of(adapter))
    (tmp_path / "here").rename(tmp_path / "there")
    moved = AdapterStore(tmp_path / "there").verify("animals-lora")
    assert torch.equal(logits(moved, backbone_of(moved)), wanted)
    sent = AdapterStore(tmp_path / "there").export("animals-lora", tmp_path / "sent")
    AdapterStore(tmp_path / "there").remove("animals-lora")
    (tmp_path / "ws").mkdir()
    (tmp_path / "there").rename(tmp_path / "ws" / "adapters")
    again = Workbench(tmp_path / "ws", []).exchange.import_adapter(sent)
    assert not again.manifest.is_whole
    assert torch.equal(logits(again, backbone_of(again)), wanted)


def test_linked_files_are_verified(model: Path, tmp_path: Path) -> None:
    store = AdapterStore(tmp_path / "ws")
    copied = stored(model, AdapterStore(tmp_path / "other"))
    adapter = stored(model, store, link=True)
    assert sorted(adapter.manifest.files) == [HEAD_FILE]
    assert adapter.identity == copied.identity
    assert torch.equal(logits(store.verify(adapter.id), backbone_of(adapter)), logits(copied, backbone_of(copied)))
    (model / "notes.txt").write_text("a file that is not the model's")
    assert store.damage(adapter.id) is None
    (model / "vocab.txt").write_text("")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))
    with pytest.raises(IntegrityError, match=naming("linked", "model.safetensors has changed")):
        store.verify(adapter.id)
    weights.unlink()
    with pytest.raises(IntegrityError, match=r"model\.safetensors is missing"):
        store.verify(adapter.id)


def test_a_change_is_noticed_by_a_process_that_has_verified_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.files.checksummed.SETTLED", -1.0)  # files count as settled at once
    store = AdapterStore(tmp_path / "ws")
    adapter = stored(model, store, link=True)
    store.verify(adapter.id)
    config = model / "config.json"
    config.write_text(config.read_text().replace("gelu", "relu"))
    with pytest.raises(IntegrityError, match=r"config\.json has changed"):
        store.verify(adapter.id)


def test_an_exported_one_has_all_its_files(model: Path, tmp_path: Path) -> None:
    store = AdapterStore(tmp_path / "ws")
    adapter = stored(model, store, link=True)
    wanted = logits(adapter, backbone_of(adapter))
    with pytest.raises(InputError, match=naming("not here", "linked")):
        AdapterStore(tmp_path / "other").import_(adapter.folder, ITSELF)
    sent = store.export(adapter.id, tmp_path / "sent")
    store.import_(sent, ITSELF)  # what is there already stays
    assert store.get(adapter.id).manifest.linked
    shutil.rmtree(model)
    there = AdapterStore(tmp_path / "other").import_(sent, ITSELF)
    assert there.manifest.linked is None
    assert torch.equal(logits(there, backbone_of(there)), wanted)
    store.import_(sent, ITSELF)  # the linked one is damaged: the copy takes its place
    assert store.verify(adapter.id).manifest.linked is None


def test_adapters_of_one_task_are_listed_whoever_trained_them(bert: Path, tmp_path: Path, call: Any) -> None:
    store = AdapterStore(tmp_path / ".workbench" / "adapters")
    mine = stored(bert, store).manifest
    theirs = {"id": "animals-theirs", "created": None, "imported": "2026-01-01T00:00:00+00:00"}
    store.save(mine.model_copy(update={**theirs, "elsewhere": Elsewhere(program="peft")}), lambda folder: None)
    code, out, err = call("adapters", "list", "--json")
    assert code == 0, err
    assert [entry["id"] for entry in json.loads(out)] == ["animals-theirs", "animals-full"]


def test_the_word_is_no_name_of_a_folder(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model.rename(tmp_path / ITSELF)
    with pytest.raises(UnknownNameError, match=r"\./itself"):
        open_backbone(ITSELF)
    assert open_backbone(f"./{ITSELF}").config.hidden_size == 32


def test_the_transformer_may_lie_in_a_folder_of_its_own(model: Path, tmp_path: Path) -> None:
    whole = tmp_path / "sentences"
    whole.mkdir()
    model.rename(whole / "0_Transformer")
    (whole / "1_Pooling").mkdir()
    (whole / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    modules = '[{{"idx": 0, "name": "0", "path": "{}", "type": "sentence_transformers.models.Transformer"}}]'
    (whole / "modules.json").write_text(modules.format("0_Transformer"))
    backbone = open_backbone(str(whole))
    assert (backbone.folder, backbone.pooling) == (whole / "0_Transformer", "first")
    (whole / "modules.json").write_text(modules.format("../elsewhere"))
    with pytest.raises(UnsafeConfigError, match="folder in this one"):
        open_backbone(str(whole))


def test_one_from_a_stranger_is_looked_at_as_any_model(model: Path, tmp_path: Path) -> None:
    theirs = AdapterStore(tmp_path / "theirs")
    sent = theirs.export(stored(model, theirs).id, tmp_path / "sent")
    config = sent / "config.json"
    config.write_text(config.read_text().replace("{", '{"auto_map": {"AutoModel": "code.Model"},', 1))
    write_manifest(read_manifest(sent).model_copy(update={"files": digests(sent, MANIFEST)}), sent)
    bench = Workbench(tmp_path / "ours", [])
    with pytest.raises(InputError, match=naming("whole model", "its own backbone")):
        bench.exchange.import_adapter(sent, str(model))
    with pytest.raises(UnsafeConfigError, match="auto_map"):
        bench.exchange.import_adapter(sent)
    assert bench.workspace.adapters.ids() == []
