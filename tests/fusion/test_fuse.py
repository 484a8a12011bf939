"""fuse(): a model for the target, and its way into the store and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.fusion.composing.fuse import (
    FITTED,
    OWN,
    TRAINED,
    body_key,
    composition_id,
    fuse,
    keep_composition,
    name_with_revisions,
)
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.training import Lesson, learn
from tests.fusion_sources import BUDGET, other_source, request_for, train_sources


@pytest.fixture(scope="module")
def sources(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredAdapter, ...]:
    return train_sources(backbone, tmp_path_factory.mktemp("sources"), "lora", rank=2)


@pytest.mark.parametrize(("method", "head"), [("average", FITTED), ("ties", FITTED), ("warm-start", TRAINED)])
def test_what_is_stored_answers_as_what_was_made(
    method: str, head: str, sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, tmp_path: Path
) -> None:
    request, settings = request_for(sources, task, backbone), COMPOSITIONS.get(method).settings()
    fused = fuse(method, request, settings)
    assert fused.head == head
    assert fused.record.trainable_parameters > 0
    before = evaluate(fused.model, task.splits["test"], 2, backbone.tokenizer, 16)
    name = composition_id(method, request, settings)
    stored = keep_composition(name, fused, method, request, settings, AdapterStore(tmp_path))
    after = evaluate(open_adapter(stored, backbone), task.splits["test"], 2, backbone.tokenizer, 16)
    assert after.logits_sha256 == before.logits_sha256
    composition = stored.manifest.composition
    assert composition is not None
    assert (composition.method, composition.head) == (method, head)
    assert composition.sources == tuple(source.id for source in sources) == stored.manifest.parents
    assert stored.manifest.library == "peft"


def test_a_language_model_answers_with_its_own_head(llama: Path, copying: Task, tmp_path: Path) -> None:
    backbone, store = open_backbone(str(llama)), AdapterStore(tmp_path)
    settings = METHODS.get("lora").settings(learning_rate=0.02, rank=2)
    adaptation = Adaptation(backbone, "lora", settings, "fp32")
    lessons = [Lesson(copying, adaptation, BUDGET, seed) for seed in (0, 1)]
    sources = tuple(learn(lesson, store, Silent(), "test") for lesson in lessons)
    request, wanted = request_for(sources, copying, backbone), COMPOSITIONS.get("average").settings()
    fused = fuse("average", request, wanted)
    assert fused.head == OWN
    assert fused.record.trainable_parameters == 0
    before = evaluate(fused.model, copying.splits["test"], 0, backbone.tokenizer, 16)
    stored = keep_composition("copying-average", fused, "average", request, wanted, store)
    after = evaluate(open_adapter(stored, backbone), copying.splits["test"], 0, backbone.tokenizer, 16)
    assert after.logits_sha256 == before.logits_sha256
    trained = fuse("warm-start", request, COMPOSITIONS.get("warm-start").settings(rank=2))
    assert trained.record.steps > 0
    assert trained.head == OWN, "it is frozen, whatever is trained below it"


def test_a_body_can_serve_another_target(
    sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, other_task: Task
) -> None:
    settings = COMPOSITIONS.get("sum").settings()
    first = fuse("sum", request_for(sources, task, backbone), settings)
    request = request_for(sources, other_task, backbone)
    shared, alone = fuse("sum", request, settings, earlier=first), fuse("sum", request, settings)
    assert shared.model.body is first.model.body
    rows = other_task.splits["test"]
    digests = {evaluate(fused.model, rows, 2, backbone.tokenizer, 16).logits_sha256 for fused in (shared, alone)}
    assert len(digests) == 1


def test_what_is_known_of_one_target_is_not_told_of_another(llama: Path, copying: Task, tmp_path: Path) -> None:
    """Without examples nothing validates, whatever the same body reached before on examples of another target."""
    backbone = open_backbone(str(llama))
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(rank=2), "fp32")
    source = learn(Lesson(copying, adaptation, BUDGET, 0), AdapterStore(tmp_path), Silent(), "test")
    settings = COMPOSITIONS.get("sum").settings()
    first = fuse("sum", request_for((source,), copying, backbone), settings)
    none = {name: copying.splits[name].select([]) for name in ("train", "validation")}
    request = request_for((source,), replace(copying, splits={**copying.splits, **none}), backbone)
    shared, alone = fuse("sum", request, settings, earlier=first), fuse("sum", request, settings)
    assert "validation_log_likelihood" in first.composed.facts
    assert shared.composed.facts == alone.composed.facts


def test_every_ingredient_changes_the_id(
    sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, other_task: Task
) -> None:
    request, settings = request_for(sources, task, backbone), COMPOSITIONS.get("ties").settings
    ids = {
        composition_id("ties", request, settings()),
        composition_id("ties", request, settings(density=0.5)),
        composition_id("ties", replace(request, seed=1), settings()),
        composition_id("ties", replace(request, sources=sources[::-1]), settings()),
        composition_id("ties", replace(request, budget=BUDGET.model_copy(update={"epochs": 5})), settings()),
        composition_id("ties", replace(request, target=other_task), settings()),
        composition_id("svd", request, COMPOSITIONS.get("svd").settings()),
    }
    assert len(ids) == 7


def test_other_data_of_a_source_that_another_program_trained_give_another_id(
    sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task
) -> None:
    """Only where they are read, and only where the source's own identity does not tell them."""

    def keys(name: str, sources: tuple[StoredAdapter, ...], data: str) -> tuple[str, str | None]:
        request, settings = request_for(sources, task, backbone), COMPOSITIONS.get(name).settings()
        first, *_ = request.source_tasks
        known = {**request.source_tasks, first: replace(request.source_tasks[first], fingerprint=data)}
        request = replace(request, source_tasks=known)
        return composition_id(name, request, settings), body_key(name, request, settings)

    own = sources[0].manifest
    unknown = own.model_copy(update={"task": own.task.model_copy(update={"fingerprint": ""})})
    imported = (replace(sources[0], manifest=unknown), *sources[1:])
    old, new = (keys("task-retrieval", imported, data) for data in ("old", "new"))
    assert not {*old} & {*new}
    assert keys("task-retrieval", sources, "old") == keys("task-retrieval", sources, "new")
    assert keys("sum", imported, "old") == keys("sum", imported, "new")


def test_a_method_that_came_to_mean_something_else_has_other_keys_and_no_other_method_has(
    sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, cards = (
        request_for(sources, task, backbone),
        {name: COMPOSITIONS.get(name) for name in COMPOSITIONS.names()},
    )
    started = cards["warm-start"].settings(start=("ties", "svd"))
    cases = {"ties": cards["ties"].settings(), "svd": cards["svd"].settings(), "warm-start": started}
    monkeypatch.setattr(COMPOSITIONS, "get", lambda name, *rest: replace(cards[name], revision=1))
    before = {name: (composition_id(name, request, own), body_key(name, request, own)) for name, own in cases.items()}
    meanings = [name_with_revisions(name, request, own) for name, own in cases.items()]
    assert meanings == list(cases), "the first revision is not in a key"
    monkeypatch.setattr(COMPOSITIONS, "get", lambda name, *rest: replace(cards[name], revision=1 + (name == "ties")))
    after = {name: (composition_id(name, request, own), body_key(name, request, own)) for name, own in cases.items()}
    assert {name for name in cases if after[name][0] != before[name][0]} == {"ties", "warm-start"}
    assert {name for name in cases if after[name][1] != before[name][1]} == {"ties"}


def test_a_revision_is_in_the_keys_of_those_results_alone_that_it_changed(
    sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, copying: Task, t5: Path
) -> None:
    def meaning(name: str, request: Request, **settings: Any) -> str:
        return name_with_revisions(name, request, COMPOSITIONS.get(name).settings(**settings)).removeprefix(f"{name} ")

    usual = request_for(sources, task, backbone)
    halves = replace(usual, backbone=open_backbone(str(t5)))
    spoken = replace(usual, target=copying)
    rank_stabilised = replace(usual, sources=(other_source(sources[0], method="rslora"),))
    values = replace(usual, sources=(other_source(sources[0], kind="regression"), *sources))
    assert [meaning("opcm", usual), meaning("opcm", usual, alpha=1)] == ["opcm", "opcm@2"]
    assert [meaning("regmean", usual), meaning("regmean", spoken)] == ["regmean", "regmean@2"]
    assert [meaning("fisher", usual), meaning("fisher", values)] == ["fisher@2", "fisher@3"]
    for name in ("mix", "adamerging", "evolve"):
        assert [meaning(name, usual), meaning(name, halves)] == [name, f"{name}@2"]
    assert meaning("mix", halves, per="source") == "mix"
    own = usual.sources[0].manifest.settings["rank"]
    assert meaning("warm-start", usual, start="fresh", rank=own) == "warm-start"
    assert meaning("warm-start", usual, start="fresh", rank=own + 1) == "warm-start@3"
    assert meaning("warm-start", rank_stabilised, start="fresh", rank=own) == "warm-start@2"
    assert "mix@2" in meaning("warm-start", halves, start="mix"), "as a part, by its own settings"
    assert "mix@2" not in meaning("warm-start", usual, start="mix")


def test_a_result_of_a_rank_that_no_adapter_may_have_is_not_stored(
    sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, tmp_path: Path
) -> None:
    """Else it would be there, and its manifest would be refused whenever it is opened."""
    large = train_sources(backbone, tmp_path / "large", "lora", 1, rank=4095, targets=("query",))
    request, settings = request_for((*large, sources[0]), task, backbone), COMPOSITIONS.get("cat").settings()
    fused, store = fuse("cat", request, settings), AdapterStore(tmp_path / "fused")
    with pytest.raises(InputError, match=r"cannot be stored: its rank is 4097: .* 4096.*\n.*--set rank"):
        keep_composition("x", fused, "cat", request, settings, store)
    assert "x" not in store


@pytest.mark.parametrize("name", ["lorahub", "mix-search"])
def test_the_manifest_tells_the_revision(
    name: str, sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, tmp_path: Path
) -> None:
    request, card = request_for(sources, task, backbone), COMPOSITIONS.get(name)
    settings = card.settings(evaluations=1)
    adapter = keep_composition("x", fuse(name, request, settings), name, request, settings, AdapterStore(tmp_path))
    assert adapter.manifest.composition is not None
    assert adapter.manifest.composition.revision == card.revision == (2 if name == "lorahub" else 1)


def test_processes_that_share_a_fit_and_other_versions_give_another_adapter(
    sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, settings = request_for(sources, task, backbone), COMPOSITIONS.get("warm-start").settings()
    ids = {composition_id("warm-start", request, settings)}
    monkeypatch.setenv("WORLD_SIZE", "2")  # each process takes a batch of its own
    ids.add(composition_id("warm-start", request, settings))
    monkeypatch.setattr("adapter_workbench.fusion.composing.fuse.versions", lambda: {"torch": "2.0"})
    ids.add(composition_id("warm-start", request, settings))
    assert len(ids) == 3


def test_no_target_and_no_sources_are_named(sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task) -> None:
    settings = COMPOSITIONS.get("sum").settings()
    with pytest.raises(InputError, match="needs a target task"):
        fuse("sum", replace(request_for(sources, task, backbone), target=None), settings)
    with pytest.raises(InputError, match="there are none"):
        fuse("sum", request_for((), task, backbone), settings)
