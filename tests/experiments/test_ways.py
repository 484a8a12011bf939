"""Ways to update an adapter: what each trains, on which rows, and what it leaves of the champion."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

import adapter_workbench.workbench.training
from adapter_workbench.experiments.ways import WAYS, UpdateContext
from adapter_workbench.experiments.ways.update import UpdateLesson, learn_update
from adapter_workbench.tasks.updating.label_map import LabelMap, unchanged
from adapter_workbench.workbench.adapters.fit_record import Epoch, FitRecord
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import evaluate_split, predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import open_adapter, open_remapped
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import FILLERS, FRUITS, SUBJECTS
from tests.stages import adapted

OLD, NEW = ("animal", "fruit"), ("furniture", "fruit", "animal")  # the later version has another order, and one more
WORDS = {"animal": SUBJECTS, "fruit": FRUITS, "furniture": "chair table lamp shelf sofa stool desk bench".split()}
LABELS = LabelMap(OLD, NEW, ((), (1,), (0,)))
BUDGET = Budget(epochs=4, batch_size=8, max_length=16, precision="fp32")


def version(labels: tuple[str, ...], counts: dict[str, int], fingerprint: str) -> Task:
    """Return a version of a task: texts with a noun of their label; rows that both versions have have the same id."""

    def rows(split: str) -> Dataset:
        table: dict[str, list[Any]] = {"id": [], "text": [], "label": []}
        for name, count in counts.items():
            generator = random.Random(f"{split} {name}")
            for number in range(count):
                words = generator.choice(FILLERS), generator.choice(WORDS[name]), generator.choice(FILLERS)
                table["id"].append(f"{split}-{name}-{number}")
                table["text"].append(" ".join(words))
                table["label"].append(labels.index(name))
        return Dataset.from_dict(table)

    splits = {split: rows(split) for split in ("train", "validation", "test")}
    return Task("nouns", "classification", labels, splits, fingerprint, "made for a test")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> AdapterStore:
    return AdapterStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def lesson(store: AdapterStore, backbone: Backbone) -> UpdateLesson:
    return lesson_of("lora", store, backbone)


def lesson_of(method: str, store: AdapterStore, backbone: Backbone) -> UpdateLesson:
    """Return a new label, and a few new rows of old labels; the champion knows the old ones."""
    older, adaptation = version(OLD, {"animal": 24, "fruit": 24}, "older"), adapted(method, backbone)
    champion = learn(Lesson(older, adaptation, BUDGET.model_copy(update={"epochs": 8}), 0), store, Silent(), "champion")
    newer = version(NEW, {"animal": 28, "fruit": 28, "furniture": 16}, "newer")
    new_rows = frozenset(newer.splits["train"]["id"][:]) - {*older.splits["train"]["id"][:]}
    return UpdateLesson(champion, LABELS, newer, new_rows, "continue", None, adaptation, BUDGET, 0)


def how(lesson: UpdateLesson, way: str, **settings: Any) -> UpdateLesson:
    return replace(lesson, way=way, settings=WAYS.get(way).settings(**settings))


def made(lesson: UpdateLesson, store: AdapterStore) -> StoredAdapter:
    return learn_update(lesson, store, Silent(), "update")


def logits(adapter: StoredAdapter | TaskModel, lesson: UpdateLesson) -> np.ndarray[Any, Any]:
    backbone = lesson.adaptation.backbone
    model = adapter if isinstance(adapter, TaskModel) else open_adapter(adapter, backbone)
    return predict(model, lesson.task.splits["test"], backbone.tokenizer, BUDGET.max_length)


def champion_logits(lesson: UpdateLesson) -> np.ndarray[Any, Any]:
    """Return the champion's logits for the later version's labels."""
    return logits(open_remapped(lesson.champion, lesson.adaptation.backbone, lesson.labels.sources), lesson)


@pytest.mark.parametrize("way", WAYS.names())
def test_each_way_makes_an_adapter_of_the_newer_version_in_as_many_steps(
    way: str, lesson: UpdateLesson, store: AdapterStore
) -> None:
    before, update = lesson.champion.identity, how(lesson, way)
    adapter = made(update, store)
    manifest, task = adapter.manifest, lesson.task
    assert manifest.own_fit.steps == BUDGET.updates(len(task.splits["train"]))
    assert (manifest.task.labels, manifest.task.fingerprint) == (NEW, "newer")
    assert store.verify(lesson.champion.id).identity == before, "nothing of the champion changes"
    backbone = lesson.adaptation.backbone
    evaluation = evaluate_split(open_adapter(adapter, backbone), task, "validation", backbone, BUDGET.max_length)
    assert evaluation.scores["accuracy"] == manifest.own_fit.validation, "the record is of the model that is stored"
    if way == "anew":
        plain = Lesson(task, lesson.adaptation, BUDGET, 0)
        assert (update.key, adapter.id) == (plain.key, plain.adapter_id)
        assert (manifest.update, manifest.parents) == (None, ())
        return
    assert manifest.update is not None
    assert (manifest.update.way, manifest.update.champion, manifest.parents) == (
        way,
        lesson.champion.id,
        (lesson.champion.id,),
    )
    assert manifest.update.settings == update.settings.model_dump(mode="json")
    assert update.key != lesson.anew.key


@pytest.mark.parametrize("way", WAYS.names())
def test_ways_that_need_no_old_rows_learn_from_none(
    way: str, lesson: UpdateLesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()

    def fit(model: TaskModel, task: Task, *_: object) -> FitRecord:
        read.update(task.splits["train"]["id"][:])
        assert len(task.splits["train"]) == len(lesson.task.splits["train"])
        return FitRecord((Epoch(1, 0.0, 0.0, 0.0),), 1, 0.0, 1, 0.0, None, 1)

    monkeypatch.setattr(adapter_workbench.workbench.training, "fit", fit)
    monkeypatch.setattr("adapter_workbench.workbench.training.fitting.fit", fit)
    update = how(lesson, way)
    made(update, AdapterStore(tmp_path))
    assert read >= lesson.new_rows
    assert (read == lesson.new_rows) is not update.card.needs_old_rows(update.settings)
    whole = {*lesson.task.splits["train"]["id"][:]}
    if way == "replay":
        few = how(lesson, way, memory=6)
        assert (read == whole, few.key != update.key) == (True, True)
        read.clear()
        made(few, AdapterStore(tmp_path / "few"))
        assert len(read - lesson.new_rows) == 6


@pytest.mark.parametrize("way", ["distil", "anchor"])
def test_without_strength_it_is_continue_to_the_last_bit(way: str, lesson: UpdateLesson, store: AdapterStore) -> None:
    plain = logits(made(how(lesson, "continue"), store), lesson)
    assert np.array_equal(logits(made(how(lesson, way, strength=0.0), store), lesson), plain)
    assert not np.array_equal(logits(made(how(lesson, way), store), lesson), plain)


@pytest.mark.parametrize(
    ("way", "settings"),
    [("anchor", {"strength": 1e6}), ("anchor", {"penalty": "ewc", "strength": 1e9}), ("distil", {"strength": 5.0})],
)
def test_what_holds_holds(way: str, settings: dict[str, Any], lesson: UpdateLesson, store: AdapterStore) -> None:
    """A held adapter says of new rows what the champion says, among old labels, more than `continue` does."""
    new = lesson.task.splits["train"].filter(lambda row: row["id"] in lesson.new_rows)
    asked = replace(lesson, task=replace(lesson.task, splits={"test": new}))

    def shares(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.exp(values[:, 1]) / np.exp(values[:, 1:]).sum(axis=1)

    reference = shares(champion_logits(asked))
    held = shares(logits(made(how(lesson, way, **settings), store), asked))
    free = shares(logits(made(how(lesson, "continue"), store), asked))
    assert np.abs(held - reference).mean() < np.abs(free - reference).mean()


def test_old_rows_that_weigh_the_weights_count_as_read(lesson: UpdateLesson, store: AdapterStore) -> None:
    def read(**settings: Any) -> int | None:
        return made(how(lesson, "anchor", **settings), store).manifest.own_fit.train_examples

    new, old = len(lesson.new_rows), len(lesson.task.splits["train"]) - len(lesson.new_rows)
    assert read() == new, "l2 needs none"
    assert read(penalty="ewc", examples=5) == new + 5
    assert read(penalty="ewc", examples=1000) == new + old


@pytest.mark.parametrize("method", ["lora", "bitfit", "full"])
def test_a_frozen_body_leaves_old_logits_to_the_last_bit(method: str, store: AdapterStore, backbone: Backbone) -> None:
    lesson = lesson_of(method, store, backbone)
    before = champion_logits(lesson)
    adapter = made(how(lesson, "grow-head", frozen=True), store)
    assert np.array_equal(logits(adapter, lesson)[:, 1:], before[:, 1:])
    assert adapter.manifest.own_fit.trainable_parameters == 32 + 1, "the row of the new label"
    head = open_adapter(made(how(lesson, "grow-head"), store), lesson.adaptation.backbone).head
    old = open_adapter(lesson.champion, lesson.adaptation.backbone).head
    assert torch.equal(head.get_parameter("weight")[[2, 1]], old.get_parameter("weight"))


def test_a_first_revision_stays_in_the_keys_of_what_it_did_right(lesson: UpdateLesson, backbone: Backbone) -> None:
    """It lost the weights where they are the backbone's own and were frozen, and nowhere else."""
    grown = WAYS.get("grow-head")

    def revision(method: str, frozen: bool) -> int:
        return grown.revision_of(grown.settings(frozen=frozen), adapted(method, backbone).card)

    asked = [("lora", True), ("full", False), ("bitfit", True), ("full", True)]
    assert [revision(*pair) for pair in asked] == [1, 1, 2, 2]


def test_an_update_computes_as_is_asked_and_not_as_the_champion_did(lesson: UpdateLesson) -> None:
    def champion_model(lesson: UpdateLesson) -> TaskModel:
        context = UpdateContext(
            *(None, lesson.champion, lesson.labels, lesson.task, lesson.new_rows),
            *(lesson.adaptation, lesson.budget, 0, Silent(), "update"),
        )
        return context.champion_model()

    assert champion_model(lesson).precision == lesson.champion.manifest.precision == "fp32"
    asked = replace(lesson, adaptation=replace(lesson.adaptation, precision="bf16"))
    assert champion_model(asked).precision == "bf16"


def test_a_merge_lies_between_the_champion_and_the_new_lora(lesson: UpdateLesson, store: AdapterStore) -> None:
    before = champion_logits(lesson)
    nothing = logits(made(how(lesson, "merge", weight=0.0), store), lesson)
    np.testing.assert_allclose(nothing[:, 1:], before[:, 1:], rtol=1e-3, atol=1e-4)
    new, half = (logits(made(how(lesson, "merge", weight=w), store), lesson) for w in (1.0, 0.5))
    assert not np.allclose(new[:, 1:], before[:, 1:], atol=0.1)
    assert not np.allclose(half, new, atol=0.1)


def test_without_new_rows_the_champion_answers_with_the_new_labels(lesson: UpdateLesson, tmp_path: Path) -> None:
    """Labels that were renamed or came to stand elsewhere are no reason to learn anything."""
    task = version(("pome", "beast"), {}, "renamed")
    swapped = LabelMap(OLD, ("pome", "beast"), ((1,), (0,)))
    splits = {
        name: rows.map(lambda row: {"label": 1 - row["label"]})
        for name, rows in version(OLD, {"animal": 24, "fruit": 24}, "x").splits.items()
    }
    renamed = replace(lesson, labels=swapped, task=replace(task, splits=splits), new_rows=frozenset())
    store = AdapterStore(tmp_path)
    own = predict(
        open_adapter(lesson.champion, lesson.adaptation.backbone),
        splits["test"],
        lesson.adaptation.backbone.tokenizer,
        BUDGET.max_length,
    )
    for way in sorted({*WAYS.names()} - {"anew", "replay"}):
        adapter = made(how(renamed, way), store)
        assert np.array_equal(logits(adapter, renamed), own[:, ::-1]), way
        assert adapter.manifest.own_fit.steps == 0


def test_what_a_way_cannot_do_is_refused_with_a_reason(lesson: UpdateLesson, backbone: Backbone) -> None:
    def objection(lesson: UpdateLesson) -> str:
        with pytest.raises(InputError) as refusal:
            lesson.require_possible()
        return str(refusal.value)

    without_old = replace(lesson, new_rows=frozenset(lesson.task.splits["train"]["id"][:]))
    assert "replay reads old training rows, and the newer version has none" in objection(how(without_old, "replay"))
    how(without_old, "continue").require_possible()
    same = replace(lesson, labels=unchanged(NEW))
    assert "no label is new" in objection(how(same, "grow-head", frozen=True))
    other = replace(lesson, adaptation=adapted("lora", backbone, rank=4))
    assert "another rank" in objection(how(other, "continue"))
    how(other, "anew").require_possible()
    assert "another method" in objection(how(replace(lesson, adaptation=adapted("full", backbone)), "merge"))
    with pytest.raises(InputError, match="needs a classification task, not regression"):
        how(replace(lesson, task=replace(lesson.task, kind="regression")), "continue").require_possible()


class Cut(BaseException):
    """Not an Exception, like KeyboardInterrupt."""


class Scissors(Silent):
    """Cuts a fit after so many optimiser steps of this process."""

    def __init__(self, after: int) -> None:
        self.after, self.steps = after, 0

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        def advance(step: int, epoch: float, loss: float) -> None:
            self.steps += 1
            if self.steps == self.after:
                raise Cut

        yield advance


@pytest.mark.parametrize("way", WAYS.names())
def test_an_update_that_was_cut_off_goes_on_to_the_same_adapter(
    way: str, lesson: UpdateLesson, store: AdapterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.training.best_epoch.CHECKPOINT_SECONDS", 0.0)
    update, other = how(lesson, way), AdapterStore(tmp_path / "store")
    each = BUDGET.updates(len(lesson.task.splits["train"])) // BUDGET.epochs
    with pytest.raises(Cut):
        learn_update(update, other, Scissors(2 * each + 1), "update", tmp_path / "fit")
    assert other.ids() == []
    rest = Scissors(10_000)
    again = learn_update(update, other, rest, "update", tmp_path / "fit")
    assert rest.steps == 2 * each, "the first two passes are not learned again"
    whole = made(update, store)
    assert again.manifest.own_fit.epochs == whole.manifest.own_fit.epochs
    weights = [name for name in whole.manifest.files if name.endswith(".safetensors")]
    assert weights
    assert all(again.manifest.files[name] == whole.manifest.files[name] for name in weights)


def test_an_update_goes_to_another_process(lesson: UpdateLesson) -> None:
    update = how(lesson, "continue")
    again = pickle.loads(pickle.dumps(update))
    assert (again.key, again.adapter_id) == (update.key, update.adapter_id)
