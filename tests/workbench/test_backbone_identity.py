"""A backbone is another one under another config or tokenizer; what is registered is known by its weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.network import features_kept
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn

SHORT = Budget(train_examples=8, validation_examples=4, eval_examples=4, epochs=1, max_length=16, precision="fp32")


def lesson_on(name: str, task: Task) -> Lesson:
    return Lesson(task, Adaptation(open_backbone(name), "head", METHODS.get("head").settings(), "fp32"), SHORT, seed=0)


def edit(path: Path, **keys: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_an_adapter_is_trained_anew_under_another_config_or_tokenizer(bert: Path, task: Task, tmp_path: Path) -> None:
    folder, store, identities = tmp_path / "bert", AdapterStore(tmp_path / "store"), []
    shutil.copytree(bert, folder)
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: (folder / "chat_template.jinja").write_text("{{ messages }}"),
        lambda: edit(folder / "config.json", layer_norm_eps=0.5),
    ]
    for change in changes:
        change()
        lesson = lesson_on(str(folder), task)
        assert lesson.adapter_id not in store
        identities.append(learn(lesson, store, Silent(), "test").identity)
    assert len({*identities}) == 3
    edit(folder / "config.json", _name_or_path="elsewhere", transformers_version="4.0.0")
    assert lesson_on(str(folder), task).adapter_id in store, "who wrote a config changes nothing"
    moved = lesson.adaptation.backbone.elsewhere(tmp_path)
    assert moved.identity == lesson.adaptation.backbone.identity, "another machine need not read the files again"


def test_a_backbone_that_is_opened_again_is_the_same_until_a_file_changes(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "bert")
    opened = open_backbone(str(tmp_path / "bert"))
    assert opened.identity
    assert opened.is_still(open_backbone(str(tmp_path / "bert")))
    assert not opened.is_still(open_backbone(str(bert)))
    edit(tmp_path / "bert" / "tokenizer_config.json", model_max_length=7)
    assert not opened.is_still(open_backbone(str(tmp_path / "bert")))


def test_two_threads_have_a_tokenizer_each(bert: Path) -> None:
    opened = open_backbone(str(bert))
    tokenizers = opened.tokenizer, opened.beside().tokenizer
    assert tokenizers[0] is not tokenizers[1]
    assert opened.tokenizer is tokenizers[0]
    assert tokenizers[0]("the cat") == tokenizers[1]("the cat")


def test_features_under_another_config_are_other_features(bert: Path, tmp_path: Path, task: Task) -> None:
    shutil.copytree(bert, tmp_path / "other")
    edit(tmp_path / "other" / "config.json", layer_norm_eps=0.5)
    features = []
    for folder in (bert, tmp_path / "other", bert):
        adaptation = lesson_on(str(folder), task).adaptation
        model = adaptation.fresh("classification", 2, 0).eval()
        batch = adaptation.backbone.tokenizer(["the cat"], return_tensors="pt")
        with features_kept(model, adaptation.backbone, is_bare=True), torch.inference_mode():
            features.append(model.features(**batch))
    assert torch.equal(features[0], features[2])
    assert not torch.allclose(features[0], features[1])


@pytest.mark.parametrize("name", ["minilm", "smollm2"])
def test_a_registered_backbone_is_known_by_its_weights(name: str) -> None:
    """Keys of what is stored and published stay."""
    backbone = open_backbone(name)
    assert (backbone.identity, backbone.reading) == (backbone.fingerprint, "")
    assert open_backbone(f"{name}:nf4").pinned
