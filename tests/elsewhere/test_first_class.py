"""What other programs trained is first-class: every command takes it as it takes what was trained here."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig, TaskType

from experiments.api import Workbench
from experiments.reporting.page import page as drawn_page
from experiments.studies.compositions.present import present
from fusion.composing.fuse import fuse
from fusion.methods import COMPOSITIONS
from tasks.loading import registry
from tests.conftest import Call
from tests.elsewhere.senders import sent_by_peft
from tests.fusion_sources import request_for
from tests.streams import write_tasks
from workbench.backbone.pretrained import Backbone
from workbench.machine.listener import Silent
from workbench.methods.task import Task
from workbench.settings.base import Budget

SEQ = TaskType.SEQ_CLS
BUDGET = {"epochs": 2, "batch_size": 16, "max_length": 16, "precision": "fp32"}
SEEN = "may have been among what it was trained on"


@dataclass(frozen=True)
class Shop:
    """A workspace with two LoRAs that plain peft wrote, and one that was trained in it.

    ``few`` is on query and value and has its labels in another order than its task; ``wide`` is on all linear layers,
    the pooler included; both have BERT's pooler as a layer before the last one. ``own`` was trained here.
    """

    folder: Path
    few: str
    wide: str
    own: str

    @property
    def bench(self) -> Workbench:
        return Workbench(self.folder / ".workbench", [self.folder / "tasks"])

    def copied(self, folder: Path) -> Shop:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Shop(folder, self.few, self.wide, self.own)


@pytest.fixture(scope="module")
def original(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    bench = Workbench(folder / ".workbench", [write_tasks(folder)])
    sent_by_peft(bert, folder / "few", LoraConfig(task_type=SEQ, r=4, lora_alpha=8), num_labels=2)
    sent_by_peft(bert, folder / "wide", LoraConfig(task_type=SEQ, r=2, target_modules="all-linear"), num_labels=2)
    few = bench.exchange.import_adapter(folder / "few", str(bert), task="animals", labels=("second", "first"))
    wide = bench.exchange.import_adapter(folder / "wide", str(bert), task="halves", labels=("first", "second"))
    lesson = bench.lesson("fruits", "lora", str(bert), learning_rate=0.02, budget=BUDGET)
    return Shop(folder, few.id, wide.id, bench.workspace.learned(lesson, Silent(), "").id)


@pytest.fixture
def shop(original: Shop, tmp_path: Path, call: Call) -> Shop:
    """The workspace in the folder that commands run in."""
    return original.copied(tmp_path)


@pytest.fixture(scope="module")
def measured(original: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The same after the two from elsewhere were measured."""
    shop = original.copied(tmp_path_factory.mktemp("measured"))
    for adapter in (shop.few, shop.wide):
        shop.bench.exchange.test(adapter)
    return shop


@pytest.fixture
def counted(measured: Shop, tmp_path: Path, call: Call) -> Shop:
    """The measured ones in the folder that commands run in."""
    return measured.copied(tmp_path)


def said(text: str) -> str:
    return " ".join(text.split())


def done(call: Call, *arguments: str) -> str:
    code, out, err = call(*arguments)
    assert code == 0, err
    return out


def listed(call: Call, adapter: str) -> dict[str, Any]:
    (entry,) = [entry for entry in json.loads(done(call, "adapters", "list", "--json")) if entry["id"] == adapter]
    return dict(entry)


def test_what_is_not_known_is_said_to_be_so(shop: Shop, call: Call) -> None:
    entry = listed(call, shop.few)
    unknown = ("seed", "created", "validation", "sender_validation", "parameters")
    assert {name: entry[name] for name in unknown} == dict.fromkeys(unknown)
    assert (entry["trained_by"], "trained elsewhere (peft)" in entry["description"]) == ("peft", True)
    assert listed(call, shop.own)["trained_by"] is None
    text = done(call, "adapters", "list")
    assert ("not measured" in text, "“elsewhere”: trained by another program" in said(text)) == (True, True)
    document = json.loads(done(call, "adapters", "show", shop.few, "--json"))
    assert (document["fit"], document["seed"], document["created"], document["task"]["fingerprint"]) == (None,) * 4
    assert document["budget"] == {"max_length": 64}, "what the model reads; the rest was never said"
    text = said(done(call, "adapters", "show", shop.few))
    assert "trained elsewhere, by peft: data, seed and scores are not known" in text
    assert ("sender's label order second, first" in text, "best epoch" in text, "nan" in text) == (True, False, False)
    assert "2 steps" not in text
    manifest = (shop.folder / ".workbench" / "adapters" / shop.few / "manifest.json").read_text(encoding="utf-8")
    assert '"epochs"' not in manifest, "no placeholder is written"


def test_it_counts_once_it_was_measured_here(shop: Shop, call: Call) -> None:
    code, _, err = call("gate", shop.few, "--min-score", "0")
    assert (code, "adapters test" in err) == (3, True), err
    document = json.loads(done(call, "adapters", "test", shop.few, "--json"))
    assert (document["counts"], document["may_have_seen"], document["sender_validation"]) == (True, True, None)
    assert listed(call, shop.few)["validation"] == round(document["metrics"]["validation_accuracy"], 4)
    shown = json.loads(done(call, "adapters", "show", shop.few, "--json"))
    assert shown["test"]["accuracy"] == document["metrics"]["test_accuracy"], "it is remembered"
    text = said(done(call, "adapters", "test", shop.few))
    assert (SEEN in text, "nan" in text) == (True, False)
    text = said(done(call, "evaluate", shop.few, "--file", "tasks/animals-test.csv"))
    assert SEEN in text
    assert SEEN not in said(done(call, "evaluate", shop.own, "--file", "tasks/fruits-test.csv"))


def test_labels_may_stand_in_another_order_in_the_task_that_is_asked(shop: Shop, call: Call) -> None:
    folder = shop.folder / "tasks"
    swapped = (folder / "animals.yaml").read_text(encoding="utf-8") + "labels: [second, first]\n"
    (folder / "swapped.yaml").write_text(swapped, encoding="utf-8")
    for adapter in (shop.few, shop.own):
        straight, turned = (shop.bench.exchange.test(adapter, name) for name in ("animals", "swapped"))
        assert (straight.validation, straight.test) == (turned.validation, turned.test)
    assert shop.bench.exchange.test(shop.few, "swapped").counts is False
    other = swapped.replace("[second, first]", "{second: last, first: first}")
    (folder / "others.yaml").write_text(other, encoding="utf-8")
    code, out, err = call("adapters", "test", shop.few, "--task", "others")
    assert (code, out) == (2, "")
    assert "unknown to the task: second; missing in the adapter: last" in said(err)


def test_it_is_gated_registered_and_rolled_back(counted: Shop, call: Call) -> None:
    text = said(done(call, "gate", counted.few, "--min-score", "0", "--not-below-champion"))
    assert "validation accuracy" in text
    bounds = ("--min-macro-f1", "0", "--min-worst-label", "0", "--max-ece", "100")
    assert "validation macro F1" in said(done(call, "gate", counted.few, *bounds))
    document = json.loads(done(call, "adapters", "register", counted.few, "--json"))
    assert (document["name"], document["champion"]) == ("animals.lora", True)
    assert counted.few in done(call, "predict", "animals", "the cat", "--json")
    base = counted.bench.workspace.adapters.get(counted.few).manifest.backbone.name
    again = counted.bench.exchange.import_adapter(
        counted.folder / "few", base, task="animals", labels=("first", "second"), name="turned"
    )
    code, out, _ = call("gate", again.id, "--against", counted.few, "--min-agreement", "100", "--json")
    assert (code, json.loads(out)["bounds"][0]["found"]) == (3, 0.0), "each label has the other's row"
    counted.bench.exchange.test(again.id)
    document = json.loads(done(call, "adapters", "register", again.id, "--json"))
    champion, other = (again.id, counted.few) if document["champion"] else (counted.few, again.id)
    done(call, "adapters", "promote", "animals", "--to", other)
    assert other in done(call, "predict", "animals", "the cat", "--json")
    done(call, "adapters", "rollback", "animals")
    assert champion in done(call, "predict", "animals", "the cat", "--json")
    assert "Removed" in done(call, "adapters", "remove", again.id)


FEW = ["budget.epochs=1", "budget.max_length=16", "budget.precision=fp32"]


@pytest.mark.parametrize("method", ["ties", "regmean", "fisher", "warm-start", "task-retrieval"])
def test_they_are_fused_with_each_other(original: Shop, backbone: Backbone, task: Task, method: str) -> None:
    """One is on query and value, the other on all linear layers, and on a pooler that only its own head reads."""
    sources = tuple(map(original.bench.workspace.adapters.verify, (original.few, original.wide)))
    known = {name: registry.load(registry.find(name, original.bench.task_folders)) for name in ("animals", "halves")}
    request = replace(request_for(sources, task, backbone, Budget(epochs=1, max_length=16)), source_tasks=known)
    fused = fuse(method, request, COMPOSITIONS.get(method).settings())
    assert fused.model.pooling == backbone.pooling, "a new head reads as all heads here do"
    assert fused.record.validation_examples == len(task.splits["validation"])


def test_a_fuse_says_who_trained_its_sources(measured: Shop) -> None:
    plan = measured.bench.fusion_plan("fruits", "auto:1", "single", 8, assignments=FEW)
    report = measured.bench.fuse(plan).report
    (kept,) = {(kept.alone, kept.fused) for kept in report.retained if kept.label == "single"}
    assert kept[0] == kept[1], "the same body under the same head, which reads the first token"
    page = said(drawn_page(present(report), {}))
    (source,) = report.record.sources
    assert (source["elsewhere"], source["seed"]) == ("peft", None)
    assert "Test rows may have been among what they were trained on" in page
