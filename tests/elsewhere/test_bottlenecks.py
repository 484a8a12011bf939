"""Bottlenecks of the package adapters are first-class: fused, served side by side, gated, and exported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.fusion.composing.compatibility import reasons
from adapter_workbench.fusion.composing.fuse import fuse, keep_composition
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.serving import Serving, answers
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from tests.conftest import NOT_INSTALLED, Call
from tests.elsewhere.package_adapters import sent_by_adapters
from tests.elsewhere.senders import TEXTS
from tests.fusion_sources import BUDGET, request_for
from tests.streams import write_tasks

if not installed_version("adapters"):
    pytest.skip(NOT_INSTALLED, allow_module_level=True)

TASKS = ("animals", "halves", "fruits")
CONFIGS: Mapping[str, Mapping[str, Any]] = {  # task → fields of the config; the names of the heads' labels are swapped
    "animals": {},
    "halves": {"dropout": 0.1},
    "other": {"original_ln_before": False},
    "gelu": {"non_linearity": "gelu"},
    "gelu-2": {"non_linearity": "gelu", "dropout": 0.2},
}


@dataclass(frozen=True)
class Shop:
    """A workspace with bottlenecks that the package wrote, by what they are called."""

    folder: Path
    ids: Mapping[str, str]

    @property
    def bench(self) -> Workbench:
        return Workbench(self.folder / ".workbench", [self.folder / "tasks"])

    def stored(self, *names: str) -> list[StoredAdapter]:
        return [self.bench.workspace.adapters.get(self.ids[name]) for name in names]


@pytest.fixture(scope="module")
def original(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    from adapters import SeqBnConfig

    folder = tmp_path_factory.mktemp("bottlenecks")
    bench, ids = Workbench(folder / ".workbench", [write_tasks(folder)]), {}

    def head(model: Any) -> None:
        model.add_classification_head("sent", num_labels=2, id2label={0: "second", 1: "first"})

    for name, fields in CONFIGS.items():
        sent_by_adapters(bert, folder / name, SeqBnConfig(**fields), head)
        task = name if name in TASKS else "animals"
        ids[name] = bench.exchange.import_adapter(folder / name, str(bert), task=task, name=name).id
    return Shop(folder, ids)


@pytest.fixture
def shop(original: Shop, tmp_path: Path, call: Call) -> Shop:
    """The workspace in the folder that commands run in."""
    shutil.copytree(original.folder, tmp_path, dirs_exist_ok=True)
    return Shop(tmp_path, original.ids)


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("adapterfusion", ("animals", "halves")),
        ("average", ("animals", "halves")),
        ("average", ("gelu", "gelu-2")),
        ("scalearn", ("gelu", "gelu-2")),
    ],
)
def test_they_fuse_with_each_other(
    method: str, names: tuple[str, str], original: Shop, bert: Path, task: Task, tmp_path: Path
) -> None:
    backbone, sources = open_backbone(str(bert)), tuple(original.stored(*names))
    request = request_for(sources, task, backbone, BUDGET.model_copy(update={"epochs": 1}))
    settings = COMPOSITIONS.get(method).settings()
    fused = fuse(method, request, settings)
    stored = keep_composition("made", fused, method, request, settings, AdapterStore(tmp_path))
    assert stored.manifest.composition
    assert stored.manifest.composition.sources == tuple(source.id for source in sources)
    assert open_adapter(stored, backbone).eval()


def test_what_is_computed_otherwise_is_not_composed(original: Shop, bert: Path) -> None:
    backbone = open_backbone(str(bert))
    assert reasons(original.stored("animals", "halves"), backbone) == {}
    [(_, complaints)] = reasons(original.stored("animals", "gelu"), backbone).items()
    assert complaints == (f"has non_linearity 'gelu', {original.ids['animals']} 'relu'",)


@pytest.mark.parametrize(("names", "mixes"), [(("animals", "halves", "gelu"), True), (("animals", "other"), False)])
def test_side_by_side_each_answers_as_alone(names: tuple[str, ...], mixes: bool, original: Shop, bert: Path) -> None:
    backbone, adapters = open_backbone(str(bert)), original.stored(*names)
    serving = Serving(adapters, backbone)
    owners = [adapters[row % len(adapters)].id for row in range(2 * len(TEXTS))]
    rows = Dataset.from_dict({"text": TEXTS * 2})
    together = serving.answers(rows, owners)
    assert serving.mixes is mixes
    for adapter in adapters:
        own = [row for row, owner in enumerate(owners) if owner == adapter.id]
        alone = answers([adapter], backbone, rows.select(own), [adapter.id] * len(own))
        assert [together[row].words for row in own] == [answer.words for answer in alone]
        for row, answer in zip(own, alone, strict=True):
            assert together[row].confidence == pytest.approx(answer.confidence, abs=1e-5)


def test_they_are_gated_once_they_were_measured(shop: Shop, call: Call) -> None:
    adapter = shop.ids["animals"]
    assert call("gate", adapter, "--min-score", "0")[0] == 3
    assert call("adapters", "test", adapter)[0] == 0
    assert call("gate", adapter, "--min-score", "0")[0] == 0


def test_the_package_opens_what_is_exported(shop: Shop, bert: Path, call: Call) -> None:
    import adapters
    from transformers import AutoModel

    code, _, err = call("adapters", "export", shop.ids["other"], "out")
    assert code == 0, err
    batch = open_backbone(str(bert)).tokenizer(TEXTS, padding=True, return_tensors="pt")
    states = []
    for folder in ("out", "other"):
        body = AutoModel.from_pretrained(bert)
        adapters.init(body)
        body.load_adapter(folder, load_as="task", set_active=True, use_safetensors=True)
        with torch.inference_mode():
            states.append(body.eval()(**batch).last_hidden_state)
    assert torch.equal(*states)
    assert json.loads(Path("out/adapter_config.json").read_text(encoding="utf-8"))["model_name"] == str(bert)
