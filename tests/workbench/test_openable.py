"""What an adapter is opened on: a backbone that can read its texts, with the pooling that it was trained with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_workbench.experiments.workspace import evaluating
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.adapter_set import AdapterSet, Question
from adapter_workbench.workbench.answering.predictor import OpenedAdapter, rows_of
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.messages import lacks

BUDGET = Budget(epochs=1, batch_size=8, max_length=16, precision="fp32")
TASKS = (make_task("animals", SUBJECTS, FRUITS, 16), make_task("halves", SUBJECTS[:4], SUBJECTS[4:], 16))
TEXTS = ["the cat often", "a plum", "this very sheep quite really some"]


def trained(store: AdapterStore, backbone: Backbone, method: str, task: int) -> StoredAdapter:
    adaptation = Adaptation(backbone, method, METHODS.get(method).settings(learning_rate=2e-2), "fp32")
    return learn(Lesson(TASKS[task], adaptation, BUDGET, 0), store, Silent(), "")


def reading(tokens: int, adapter: StoredAdapter) -> StoredAdapter:
    """Return the adapter with another length of texts in its manifest."""
    manifest = adapter.manifest
    budget = manifest.budget.model_copy(update={"max_length": tokens})
    return replace(adapter, manifest=manifest.model_copy(update={"budget": budget}))


def test_who_shares_a_body_may_read_no_more_than_the_backbone_can(backbone: Backbone, tmp_path: Path) -> None:
    store = AdapterStore(tmp_path)
    first, second = (trained(store, backbone, "lora", task) for task in (0, 1))
    assert len(AdapterSet.open([first, reading(64, second)], backbone).groups) == 1
    with pytest.raises(InputError, match="max_length 65 is more than") as caught:
        AdapterSet.open([first, reading(65, second)], backbone)
    assert lacks(caught.value.where or "", second.id) == []


def test_the_tokens_of_a_prompt_count(backbone: Backbone, tmp_path: Path) -> None:
    adapter = trained(AdapterStore(tmp_path), backbone, "prompt", 0)
    assert open_adapter(reading(44, adapter), backbone)
    with pytest.raises(InputError, match=r"max_length 45 is more than .* after 20 virtual tokens"):
        open_adapter(reading(45, adapter), backbone)


def test_an_adapter_is_pooled_as_it_was_trained_whatever_its_backbone_says_now(bert: Path, tmp_path: Path) -> None:
    """Copies of the same weights may state another pooling: sentence-transformers has it in a file of its own."""
    folder = shutil.copytree(bert, tmp_path / "first")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}', encoding="utf-8")
    by_first, by_mean = open_backbone(str(folder)), open_backbone(str(bert))
    assert (by_first.pooling, by_mean.pooling) == ("first", "mean")
    assert by_first.fingerprint == by_mean.fingerprint
    store = AdapterStore(tmp_path / "adapters")
    adapters = [trained(store, by_first, "lora", 0), trained(store, by_mean, "lora", 1)]
    wanted = [
        OpenedAdapter.open(adapter, backbone).answers(TEXTS)
        for adapter, backbone in zip(adapters, (by_first, by_mean), strict=True)
    ]
    for backbone in (by_first, by_mean):
        assert [OpenedAdapter.open(adapter, backbone).answers(TEXTS) for adapter in adapters] == wanted
        opened = AdapterSet.open(adapters, backbone)
        assert len(opened.groups) == 1
        questions = [Question(rows_of(TEXTS), [adapter.id] * len(TEXTS)) for adapter in adapters]
        assert [opened.answers([question])[0] for question in questions] == wanted
        for answers, alone in zip(opened.answers(questions), wanted, strict=True):
            assert [answer.confidence for answer in answers] == pytest.approx(
                [answer.confidence for answer in alone], abs=1e-5
            )
    repooled = OpenedAdapter.open(adapters[0], by_first)
    repooled.model.pooling = "mean"
    assert repooled.answers(TEXTS) != wanted[0], "else nothing is shown"


def test_what_was_evaluated_with_another_pooling_is_evaluated_again(backbone: Backbone, tmp_path: Path) -> None:
    adapter = trained(AdapterStore(tmp_path), backbone, "lora", 0)
    own = evaluating.evaluation_key(adapter.identity, TASKS[0], BUDGET)
    assert evaluating.test_key(adapter, TASKS[0], backbone, BUDGET) == own
    assert evaluating.test_key(adapter, TASKS[0], replace(backbone, pooling="first"), BUDGET) != own
