"""learn() and open_adapter(): trained once, stored verified, opened on the right backbone only."""

from __future__ import annotations

import pickle
import re
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError, IntegrityError, TrainingError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS, possible_methods
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import adaptation_of, open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, fit, learn
from tests.sampled import first_of_each

POSSIBLE = ["lora", *(name for name in possible_methods(BertConfig(), "classification") if name != "lora")]
BUDGET = Budget(train_examples=16, eval_examples=8, epochs=1, batch_size=8, max_length=16, precision="fp32")


def lesson_of(backbone: Backbone, task: Task, method: str = "lora", seed: int = 0) -> Lesson:
    return Lesson(task, Adaptation(backbone, method, METHODS.get(method).settings(), "fp32"), BUDGET, seed)


@pytest.fixture
def lesson(backbone: Backbone, task: Task) -> Lesson:
    return lesson_of(backbone, task)


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "adapters")


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks of all fits so far."""
    seen: list[Task] = []

    def counting(model: TaskModel, task: Task, *rest: Any) -> FitRecord:
        seen.append(task)
        return fit(model, task, *rest)

    monkeypatch.setattr("adapter_workbench.workbench.training.fitting.fit", counting)
    return seen


def test_a_lesson_is_learned_once(lesson: Lesson, store: AdapterStore, fits: list[Task]) -> None:
    first = learn(lesson, store, Silent(), "label")
    assert store.ids() == [lesson.adapter_id]
    assert re.fullmatch(r"animals-lora-[0-9a-f]{8}", first.id)
    assert learn(lesson, store, Silent(), "label") == first
    assert len(fits) == 1
    again = Lesson(lesson.task, lesson.adaptation, lesson.budget, lesson.seed)
    assert learn(again, AdapterStore(store.root), Silent(), "label") == first
    assert len(fits) == 1
    other = learn(replace(lesson, seed=1), store, Silent(), "label")
    assert len(fits) == 2
    assert other.id != first.id
    assert len(fits[0].splits["train"]) == 16, "the task is drawn to the budget before it is fitted"
    assert len(fits[0].splits["validation"]) == 8


def test_an_adapter_trained_anew_is_the_same_in_every_byte(lesson: Lesson, tmp_path: Path) -> None:
    first, second = (learn(lesson, AdapterStore(tmp_path / name), Silent(), "label") for name in "ab")
    assert first.id == second.id
    weights = {name for name in first.manifest.files if name.endswith(".safetensors")}
    assert weights == {"adapter_model.safetensors", "head.safetensors"}
    for name in first.manifest.files:
        if name != "README.md":
            assert first.manifest.files[name] == second.manifest.files[name], name


def test_the_manifest_says_what_the_adapter_is(lesson: Lesson, store: AdapterStore, backbone: Backbone) -> None:
    manifest = learn(lesson, store, Silent(), "label").manifest
    assert (manifest.method, manifest.library, manifest.seed, manifest.precision) == ("lora", "peft", 0, "fp32")
    assert manifest.settings["rank"] == 8
    assert manifest.budget == BUDGET
    assert manifest.task.labels == ("first", "second")
    assert manifest.task.fingerprint == lesson.task.fingerprint
    assert (manifest.backbone.fingerprint, manifest.backbone.pooling) == (backbone.fingerprint, "mean")
    assert manifest.metrics == {"validation_accuracy": manifest.fit.validation}
    assert manifest.versions["torch"] == version("torch")
    assert set(manifest.files) == {"adapter_config.json", "adapter_model.safetensors", "head.safetensors", "README.md"}
    assert adaptation_of(manifest, backbone) == lesson.adaptation


def test_an_adapter_that_has_changed_is_not_taken_from_the_store(
    lesson: Lesson, store: AdapterStore, fits: list[Task]
) -> None:
    stored = learn(lesson, store, Silent(), "label")
    (stored.folder / "head.safetensors").write_bytes(b"tampered")
    with pytest.raises(IntegrityError, match=r"head\.safetensors has changed"):
        learn(lesson, store, Silent(), "label")
    assert len(fits) == 1, "it is not silently trained again either"


def library(method: str) -> str:
    return METHODS.get(method).library


@pytest.mark.parametrize("method", first_of_each(POSSIBLE, library))
def test_an_opened_adapter_answers_as_it_did_when_it_was_trained(
    backbone: Backbone, task: Task, store: AdapterStore, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    digests = []

    def and_evaluate(model: TaskModel, *rest: Any) -> FitRecord:
        record = fit(model, *rest)
        digests.append(digest(model))
        return record

    def digest(model: TaskModel) -> str:
        return evaluate(model, task.splits["test"], 2, backbone.tokenizer, 16).logits_sha256

    monkeypatch.setattr("adapter_workbench.workbench.training.fitting.fit", and_evaluate)
    stored = learn(lesson_of(backbone, task, method), store, Silent(), "label")
    model = open_adapter(stored, backbone)
    assert not model.training
    assert [digest(model)] == digests


def test_another_backbone_is_refused(lesson: Lesson, store: AdapterStore, bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    stored = learn(lesson, store, Silent(), "label")
    folder = shutil.copytree(bert, tmp_path / "other-bert")
    tensors = load_file(folder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][0, 0] += 1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"adapter {stored.id} was trained on") as caught:
        open_adapter(stored, open_backbone(str(folder)))
    assert "other-bert" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_copy_of_the_backbone_under_another_name_will_do(
    lesson: Lesson, store: AdapterStore, bert: Path, tmp_path: Path
) -> None:
    stored = learn(lesson, store, Silent(), "label")
    copy = open_backbone(str(shutil.copytree(bert, tmp_path / "copy")))
    assert isinstance(open_adapter(stored, copy), TaskModel)
    assert replace(lesson, adaptation=replace(lesson.adaptation, backbone=copy)).key == lesson.key


def spoil_one_weight(model: TaskModel) -> None:
    with torch.no_grad():
        frozen = next(weight for name, weight in model.body.named_parameters() if not weight.requires_grad)
        frozen.view(torch.int32)[0, 0] ^= 1


@pytest.mark.parametrize(
    "method", first_of_each([name for name in POSSIBLE if not METHODS.get(name).trains_backbone], library)
)
def test_a_method_that_touches_the_backbone_leaves_no_adapter(
    backbone: Backbone, task: Task, store: AdapterStore, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def careless(model: TaskModel, *rest: Any) -> FitRecord:
        record = fit(model, *rest)
        spoil_one_weight(model)
        return record

    monkeypatch.setattr("adapter_workbench.workbench.training.fitting.fit", careless)
    with pytest.raises(IntegrityError, match=f"{method} changed weights of the backbone"):
        learn(lesson_of(backbone, task, method), store, Silent(), "label")
    assert store.ids() == []
    assert list(store.root.iterdir()) == []


def test_a_fit_that_fails_leaves_no_adapter(
    lesson: Lesson, store: AdapterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> FitRecord:
        raise TrainingError("the loss is nan")

    monkeypatch.setattr("adapter_workbench.workbench.training.fitting.fit", failing)
    with pytest.raises(TrainingError):
        learn(lesson, store, Silent(), "label")
    assert store.ids() == []


def test_the_id_begins_with_task_and_method_and_ends_with_the_key(lesson: Lesson) -> None:
    assert lesson.adapter_id == f"animals-lora-{lesson.key[:8]}"
    assert len(lesson.key) == 64


def test_another_package_version_is_another_lesson(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    key = lesson.key
    monkeypatch.setattr("adapter_workbench.workbench.machine.package_versions.installed_version", lambda name: "0")
    assert lesson.key != key


def test_another_pooling_is_another_lesson(lesson: Lesson, backbone: Backbone) -> None:
    other = replace(backbone, pooling="first")
    assert replace(lesson, adaptation=replace(lesson.adaptation, backbone=other)).key != lesson.key


def test_a_checkpoint_without_pooler_can_be_taught(bert: Path, task: Task, store: AdapterStore, tmp_path: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    folder = shutil.copytree(bert, tmp_path / "masked-lm")
    BertForMaskedLM(BertConfig.from_pretrained(folder)).save_pretrained(folder)
    stored = learn(lesson_of(open_backbone(str(folder)), task), store, Silent(), "label")
    open_adapter(stored, open_backbone(str(folder)))


@pytest.mark.parametrize("method", METHODS.names())
def test_an_adaptation_goes_to_another_process(method: str, backbone: Backbone) -> None:
    adaptation = Adaptation(backbone, method, METHODS.get(method).settings(), "fp32")
    assert adaptation.card.library == METHODS.get(method).library, "what was looked up is in memory now"
    again = pickle.loads(pickle.dumps(adaptation))
    assert (again.method, again.settings, again.precision) == (method, adaptation.settings, "fp32")
    assert again.backbone.fingerprint == backbone.fingerprint
    assert again.card.title == adaptation.card.title


def test_an_opened_adapter_is_saved_without_a_word_to_the_hub(
    backbone: Backbone, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """peft asks whether the base model's vocabulary was changed; the config of a stored adapter names it at the hub."""

    def asked(name: str, file: str, **_: object) -> bool:
        raise AssertionError(f"{file} of {name} was looked for")

    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", asked)
    published = replace(backbone, hub_id="somebody/model")
    stored = learn(lesson_of(published, task), AdapterStore(tmp_path / "store"), Silent(), "label")
    assert '"somebody/model"' in (stored.folder / "adapter_config.json").read_text(encoding="utf-8")
    adaptation_of(stored.manifest, published).library.save(open_adapter(stored, published).body, tmp_path)
    assert (tmp_path / "adapter_model.safetensors").is_file()


def test_an_adalora_that_goes_on_learning_keeps_its_ranks(backbone: Backbone, task: Task, tmp_path: Path) -> None:
    lesson = lesson_of(backbone, task, "adalora")
    stored = learn(lesson, AdapterStore(tmp_path / "store"), Silent(), "label")
    model = open_adapter(stored, backbone)
    ranks = {name: len(weight) for name, weight in model.body.named_parameters() if "lora_E" in name}
    fit(model, task, lesson.adaptation, BUDGET, 0, Silent(), "label")
    lesson.adaptation.library.save(model.body, tmp_path / "again")
    again = lesson.adaptation.load(tmp_path / "again", model.head, "classification").body
    assert {name: len(weight) for name, weight in again.named_parameters() if "lora_E" in name} == ranks
    assert all(torch.equal(weight, model.body.get_parameter(name)) for name, weight in again.named_parameters())
