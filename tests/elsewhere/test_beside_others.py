"""What other programs trained is fused, served and routed beside what was trained here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.piece import Site
from adapter_workbench.experiments.studies.compositions.page import trained_elsewhere
from adapter_workbench.fusion.composing.fuse import fuse, keep_composition
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.answering import serving
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.stored_model import under_head_of
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import Call
from tests.elsewhere.senders import TEXTS
from tests.elsewhere.shop import Shop, done, one_line
from tests.fusion_sources import request_for
from tests.messages import lacks

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


def test_a_fused_body_is_tested_under_a_source_s_head_as_that_reads(
    original: Shop, backbone: Backbone, task: Task
) -> None:
    """One source alone: under its own head, whose pooling is not the backbone's, its answers are its sender's."""
    source = original.bench.workspace.adapters.verify(original.few)
    request = request_for((source,), task, backbone, Budget(epochs=1, max_length=16))
    single = fuse("single", request, COMPOSITIONS.get("single").settings())
    own = registry.load(registry.find("animals", original.bench.task_folders))
    under = under_head_of(source, single.model, backbone, own)
    batch = backbone.tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(under(**batch)["logits"], original.logits[original.few].flip(-1))


def test_a_fuse_says_who_trained_its_sources(measured: Shop) -> None:
    plan = measured.bench.fusion_plan("fruits", "auto:1", "single", 8, full=False, assignments=FEW)
    (piece,) = (piece for piece in measured.bench.pieces(plan) if piece.coordinates["part"] == "sources")
    left = piece.result(Site(measured.bench.workspace, Silent()))  # type: ignore[attr-defined]
    (source,) = left.sources
    assert (source["elsewhere"], source["seed"]) == ("peft", None)
    (paragraph,) = trained_elsewhere(left.sources)
    assert lacks(paragraph.text, "Test rows", "trained on") == []


def test_show_says_which_sources_of_a_composed_adapter_were_trained_elsewhere(
    shop: Shop, backbone: Backbone, task: Task, call: Call
) -> None:
    adapters, settings = shop.bench.workspace.adapters, COMPOSITIONS.get("average").settings()
    made: list[str] = []
    for names in ((shop.few, shop.own), ("first", shop.own), (shop.own,)):
        sources = tuple(adapters.verify(made[0] if name == "first" else name) for name in names)
        request = request_for(sources, task, backbone, Budget(epochs=1, max_length=16))
        fused = fuse("average", request, settings)
        made.append(keep_composition(f"made-{len(made)}", fused, "average", request, settings, adapters).id)
    for name, foreign in zip(made, ({shop.few: "peft"}, {shop.few: "peft"}, None), strict=True):
        assert json.loads(done(call, "adapters", "show", name, "--json")).get("sources_elsewhere") == foreign
        shown = one_line(done(call, "adapters", "show", name))
        assert (f"{shop.few} (peft): trained elsewhere" in shown) == bool(foreign)


def test_rows_of_one_batch_are_answered_as_alone(original: Shop, backbone: Backbone) -> None:
    """Three LoRAs under different poolings and heads, in one batch."""
    stored = [original.bench.workspace.adapters.verify(name) for name in (original.few, original.wide, original.own)]
    rows = rows_of([*TEXTS] * 3)
    owners = [adapter.id for adapter in stored for _ in TEXTS]
    opened = serving.Serving(stored, backbone)
    assert opened.mixes
    mixed = opened.answers(rows, owners)
    for row, adapter in enumerate(stored):
        alone = serving.SingleAdapter(adapter, backbone).answers(rows_of(TEXTS), [adapter.id] * len(TEXTS))
        beside = mixed[row * len(TEXTS) :][: len(TEXTS)]
        assert [answer.words for answer in beside] == [answer.words for answer in alone]
        assert [answer.confidence for answer in beside] == pytest.approx(
            [answer.confidence for answer in alone], rel=1e-5
        )
    wanted = original.logits[original.few].softmax(-1).max(-1).values
    assert [answer.confidence for answer in mixed[: len(TEXTS)]] == pytest.approx(wanted.tolist(), rel=1e-5)


@pytest.mark.parametrize("router", ["prototype", "mahalanobis", "learned"])
def test_routers_read_the_task_here_that_has_its_name(shop: Shop, router: str) -> None:
    def asked(bench: Workbench) -> str:
        among = (shop.few, shop.wide, shop.own)
        return str(bench.route(router, ["the cat"], among)[0].adapter)

    assert asked(shop.bench) in (shop.few, shop.wide, shop.own)
    known = {path.name for path in (shop.folder / ".workbench" / "routers").iterdir()}
    assert asked(shop.bench) in (shop.few, shop.wide, shop.own)
    assert {path.name for path in (shop.folder / ".workbench" / "routers").iterdir()} == known, "nothing is read again"
    if router == "prototype":
        rows = shop.folder / "tasks" / "animals-train.csv"
        rows.write_text(rows.read_text(encoding="utf-8") + "the cat cat,first\n", encoding="utf-8")
        asked(shop.bench)
        more = {path.name for path in (shop.folder / ".workbench" / "routers").iterdir()}
        assert len(more) == len(known) + 1, "other data, learned anew"
