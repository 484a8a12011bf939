"""What an exported adapter tells the hub: read back with the hub's own client."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from transformers.pipelines import PIPELINE_REGISTRY

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.manifest import Manifest
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.hub_card import front_matter, license_of
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.backbone.transformers_api import is_five
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods import card
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import describe, keep
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import toy
from tests.workbench.test_store import everything, manifest


def licensed(backbone: str | None, data: str | None) -> Manifest:
    made = manifest()
    task = made.task.model_copy(update={"license": data, "hub_id": "fancyzhx/ag_news"})
    base = made.backbone.model_copy(update={"license": backbone, "hub_id": "owner/base"})
    return made.model_copy(update={"task": task, "backbone": base})


def card_data(manifest: Manifest, test: dict[str, float], **options: Any) -> Any:
    return ModelCard(front_matter(manifest, test, **options) + card.render(manifest)).data


def test_the_hub_reads_what_is_known() -> None:
    data = card_data(licensed("Apache-2.0", "apache-2.0"), {"accuracy": 0.5, "macro_f1": 0.25})
    assert (data.base_model, data.base_model_relation, data.library_name) == ("owner/base", "adapter", "peft")
    assert (data.license, data.datasets) == ("apache-2.0", ["fancyzhx/ag_news"])
    assert data.pipeline_tag == "text-classification"
    assert {"peft", "lora", "classification"} <= set(data.tags)
    results = {(result.dataset_split, result.metric_type): result.metric_value for result in data.eval_results}
    assert results == {
        ("validation", "accuracy"): 0.75,
        ("test", "accuracy"): 0.5,
        ("test", "macro_f1"): 0.25,
    }
    assert {result.metric_name for result in data.eval_results} >= {"accuracy (validation)", "accuracy (test)"}


def test_what_is_not_known_is_left_out() -> None:
    data = card_data(manifest(), {"accuracy": float("nan")})
    assert [data.base_model, data.license, data.datasets] == [None, None, None]
    assert [result.dataset_split for result in data.eval_results] == ["validation"]


def test_a_merged_model_is_transformers_own() -> None:
    data = card_data(licensed(None, None), {}, merged=True)
    assert (data.library_name, data.base_model_relation) == ("transformers", "finetune")


@pytest.mark.parametrize(
    ("backbone", "data", "expected"),
    [
        ("MIT", "mit", "mit"),
        ("Apache-2.0", "CC-BY-4.0", "other"),
        ("my own", "my own", "other"),
        (None, "MIT", None),
        ("MIT", None, None),
    ],
)
def test_a_licence_is_stated_only_where_both_have_it(
    backbone: str | None, data: str | None, expected: str | None
) -> None:
    assert license_of(licensed(backbone, data)) == expected
    text = card.render(licensed(backbone, data))
    assert all(f"licence: {licence}" in text for licence in (backbone, data) if licence), "the text tells both"


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_kind_has_the_name_of_a_pipeline(kind: str) -> None:
    gone = {"text2text-generation"} if is_five() else set()  # the hub still has the name
    assert KINDS.get(kind).pipeline_tag in {*PIPELINE_REGISTRY.get_supported_tasks(), *gone}


@pytest.fixture
def named(bert: Path) -> Backbone:
    """A backbone that is known by a hub id, and lies on this machine."""
    opened = open_backbone(str(bert))
    return Backbone("minilm", opened.folder, opened.pooling, "owner/base", license="MIT")


def made(method: str, backbone: Backbone, store: AdapterStore) -> StoredAdapter:
    task = toy("classification")
    adaptation = Adaptation(backbone, method, METHODS.get(method).settings(), "fp32")
    model = adaptation.fresh(task.kind, 2, seed=0)
    record = FitRecord((), 0, 0.5, 0, 0.0, None, 1)
    return keep(model, adaptation, describe(f"a-{method}", task, adaptation, Budget(), 0, record), store)


@pytest.mark.parametrize("method", ["lora", "pfeiffer", "prompt", "mam", "lora+bitfit"])
def test_no_file_names_this_machine_s_folders(method: str, named: Backbone, tmp_path: Path) -> None:
    stored = made(method, named, AdapterStore(tmp_path / "adapters"))
    written = {name: content.decode() for name, content in everything(stored.folder).items() if name.endswith("on")}
    assert not [name for name, content in written.items() if str(named.folder) in content]
    configs = {name: content for name, content in written.items() if name.endswith("adapter_config.json")}
    assert configs
    assert all("owner/base" in content for content in configs.values())


def test_an_exported_folder_comes_back_as_it_was_stored(named: Backbone, tmp_path: Path) -> None:
    store, other = AdapterStore(tmp_path / "adapters"), AdapterStore(tmp_path / "other")
    stored = made("lora", named, store)
    out = store.export(stored.id, tmp_path / "out", front_matter(stored.manifest, {"accuracy": 0.5}))
    assert ModelCard.load(out / "README.md").data.base_model == "owner/base"
    assert {name for name in everything(out) if name.endswith("safetensors")} == {
        "adapter_model.safetensors",
        "head.safetensors",
    }
    (out / ".gitattributes").write_text("*.safetensors filter=lfs", encoding="utf-8")
    (out / ".cache" / "huggingface").mkdir(parents=True)
    (out / ".cache" / "huggingface" / "x.metadata").write_text("etag", encoding="utf-8")
    again = other.import_(out, named.name)
    assert again.manifest.model_copy(update={"imported": None}) == stored.manifest
    assert everything(again.folder) | {"manifest.json": b""} == everything(stored.folder) | {"manifest.json": b""}
    claimed = ModelCard(front_matter(again.manifest, {"accuracy": 0.5})).data.eval_results
    assert [result.dataset_split for result in claimed] == ["test"], "a sender's score is not passed on as measured"
    assert again.identity == stored.identity
    assert store.import_(out, named.name).id == stored.id, "it is the same adapter as the one that is there"


def test_a_text_that_was_changed_on_the_way_is_refused(named: Backbone, tmp_path: Path) -> None:
    store = AdapterStore(tmp_path / "adapters")
    stored = made("lora", named, store)
    out = store.export(stored.id, tmp_path / "out", front_matter(stored.manifest, {}))
    (out / "README.md").write_text((out / "README.md").read_text() + "more", encoding="utf-8")
    with pytest.raises(InputError, match=r"README\.md has changed"):
        AdapterStore(tmp_path / "other").import_(out, named.name)
    assert json.loads((stored.folder / "manifest.json").read_text())["files"] == stored.manifest.files


def test_a_model_card_beside_a_backbone_tells_its_licence(bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bert, tmp_path / "bert")
    assert open_backbone(str(folder)).license is None
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n", encoding="utf-8")
    assert open_backbone(str(folder)).license == "mit"
    (folder / "README.md").write_text("---\nlicense: [\n---\n", encoding="utf-8")
    assert open_backbone(str(folder)).license is None
