"""A fit of a head alone: the frozen body encodes each row once, in evaluation mode, and nothing else changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import Tensor, nn

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.answering.evaluation import features
from adapter_workbench.workbench.backbone.feature_store import FEATURES, FeatureStore, batch_key
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.network import features_kept
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.machine.page_table import is_told
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.heads import Heads
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import fit, head_alone
from tests.conftest import toy
from tests.process_memory import settled_files

KINDS_WITH_A_HEAD = ("classification", "multilabel", "regression", "token-classification")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep no features of other tests, and take files that were just written for settled ones."""
    settled_files(monkeypatch)
    FEATURES.clear()
    yield
    FEATURES.clear()


@contextmanager
def rows_read(body: nn.Module) -> Iterator[Counter[bool]]:
    """Count the rows that run through ``body`` in the block, by whether it is in training mode."""
    counts: Counter[bool] = Counter()

    def count(module: nn.Module, _: tuple[Any, ...], named: dict[str, Any]) -> None:
        counts[module.training] += len(named["input_ids"])

    handle = body.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield counts
    finally:
        handle.remove()


def fresh(backbone: Backbone, task: Task) -> tuple[TaskModel, Adaptation]:
    adaptation = Adaptation(backbone, "head", METHODS.get("head").settings(), "fp32")
    return adaptation.fresh(task.kind, len(task.labels), seed=0), adaptation


def fitted(
    backbone: Backbone, task: Task, budget: Budget, change: Callable[[TaskModel], None] = lambda model: None
) -> tuple[TaskModel, FitRecord, Counter[bool]]:
    model, adaptation = fresh(backbone, task)
    change(model)
    with rows_read(model.body) as counts:
        record = fit(model, task, adaptation, budget, 0, Silent(), "a label")
    return model, record, counts


def head_of(model: TaskModel) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.head.named_parameters()}


@pytest.mark.parametrize("kind", KINDS_WITH_A_HEAD)
def test_each_row_is_encoded_once_and_dropout_is_off(backbone: Backbone, budget: Budget, kind: str) -> None:
    task = toy(kind)
    model, record, counts = fitted(backbone, task, budget)
    assert backbone.config.hidden_dropout_prob > 0
    assert len(record.epochs) == budget.epochs
    assert counts == {False: len(task.splits["train"]) + len(task.splits["validation"])}
    assert not model.frozen
    assert model.body_key is None, "answers after the fit are computed, not remembered"


@pytest.mark.skipif(
    not is_told() or torch.accelerator.is_available(), reason="nothing proves that a backbone is untouched"
)
def test_a_second_fit_on_the_same_rows_encodes_none(bert: Path, task: Task, budget: Budget) -> None:
    backbone = open_backbone(str(bert))  # one whose fingerprint was not computed while its files were new
    first, record, _ = fitted(backbone, task, budget)
    second, again, counts = fitted(backbone, task, budget)
    assert not counts
    assert again.epochs == record.epochs
    assert all(torch.equal(value, head_of(second)[name]) for name, value in head_of(first).items())


@pytest.mark.parametrize("kind", KINDS_WITH_A_HEAD)
def test_the_fit_is_that_of_a_body_which_is_run_in_each_step(
    backbone: Backbone, budget: Budget, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    task = toy(kind)
    model, record, _ = fitted(backbone, task, budget)
    FEATURES.clear()
    monkeypatch.setattr(head_alone, "MOST_BYTES", 0)  # as for rows whose features have no room
    plain, expected, counts = fitted(backbone, task, budget)
    assert counts[False] >= budget.epochs * len(task.splits["train"])
    assert not counts[True]
    for name, value in head_of(plain).items():
        torch.testing.assert_close(head_of(model)[name], value, rtol=1e-4, atol=1e-5)
    likelihoods = [[epoch.validation_log_likelihood for epoch in each.epochs] for each in (record, expected)]
    np.testing.assert_allclose(*likelihoods, rtol=1e-4)


def test_rows_of_several_heads_are_learned_from_features(backbone: Backbone, task: Task, budget: Budget) -> None:
    def grouped(rows: Dataset) -> Dataset:
        group = [index % 2 for index in range(len(rows))]
        labels = [label + 2 * own for label, own in zip(rows["label"], group, strict=True)]
        return rows.remove_columns("label").add_column("label", labels).add_column("group", group)

    def two_heads(model: TaskModel) -> None:
        model.head = Heads([nn.Linear(32, 2), nn.Linear(32, 2)])

    four = replace(task, labels=("a", "b", "c", "d"), splits={k: grouped(v) for k, v in task.splits.items()})
    _, record, counts = fitted(backbone, four, budget, two_heads)
    assert counts == {False: len(task.splits["train"]) + len(task.splits["validation"])}
    assert record.validation > 0.9


def test_what_a_method_or_a_strategy_puts_into_the_body_is_trained_as_ever(
    backbone: Backbone, task: Task, budget: Budget
) -> None:
    def add_module(model: TaskModel) -> None:
        model.add_module("beside", nn.Linear(2, 2))

    _, _, counts = fitted(backbone, task, budget, add_module)
    assert counts[True] == budget.epochs * len(task.splits["train"])


def test_features_are_those_of_the_plain_path_to_the_last_bit(backbone: Backbone, task: Task) -> None:
    model, rows, tokenizer = fresh(backbone, task)[0], task.splits["train"], backbone.tokenizer
    plain = features(model, rows, tokenizer, 16)
    with features_kept(model, backbone, is_bare=True), rows_read(model.body) as counts:
        first, second = (features(model, rows, tokenizer, 16) for _ in range(2))
    assert first.tobytes() == second.tobytes() == plain.tobytes()
    assert counts == {False: len(rows)}


def test_features_of_a_changed_body_are_its_own(backbone: Backbone, task: Task) -> None:
    model, rows, tokenizer = fresh(backbone, task)[0], task.splits["train"], backbone.tokenizer
    with features_kept(model, backbone):
        before = features(model, rows, tokenizer, 16)
    changed = fresh(backbone, task)[0]
    with torch.no_grad():
        next(changed.body.parameters()).mul_(2)
    with features_kept(changed, backbone):
        after = features(changed, rows, tokenizer, 16)
    assert not np.array_equal(before, after)
    kept = FEATURES.bytes
    with features_kept(changed, backbone), rows_read(changed.body) as counts:
        features(changed, rows, tokenizer, 16)
    assert counts[False] == len(rows), "without a proof nothing outlives the block"
    assert FEATURES.bytes == kept


def test_how_features_are_computed_is_a_part_of_their_key(backbone: Backbone, task: Task) -> None:
    model, rows = fresh(backbone, task)[0], task.splits["train"]
    with features_kept(model, backbone, is_bare=True):
        mean = features(model, rows, backbone.tokenizer, 16)
        model.pooling = "first"
        first = features(model, rows, backbone.tokenizer, 16)
        with rows_read(model.body) as counts:
            features(model, rows, backbone.tokenizer, 3)
    assert not np.array_equal(mean, first)
    assert counts[False] == len(rows), "shorter texts are other batches"
    ids = torch.tensor([[1, 2], [3, 4]])
    keys = [batch_key({"ids": ids}, "mean"), batch_key({"ids": ids}, "first"), batch_key({"ids": ids.T}, "mean")]
    assert len({*keys, batch_key({"ids": ids.int()}, "mean"), batch_key({"mask": ids}, "mean")}) == 5


def asked(store: FeatureStore, batches: Sequence[str], rows: int = 2) -> list[str]:
    """Return which batches were computed."""
    computed: list[str] = []

    def compute(batch: str) -> Tensor:
        computed.append(batch)
        return torch.zeros(rows, 4)  # 16 bytes a row

    for batch in batches:
        store.get("body", batch, lambda batch=batch: compute(batch))  # type: ignore[misc]
    return computed


def test_features_that_were_not_asked_for_the_longest_go_first() -> None:
    store = FeatureStore(most_bytes=64)
    assert asked(store, ["a", "b", "a", "c"]) == ["a", "b", "c"]
    assert store.bytes == 64
    assert asked(store, ["a", "c"]) == []
    assert asked(store, ["b"]) == ["b"]
    store.forget("another body")
    assert store.bytes == 64
    store.forget("body")
    assert store.bytes == 0


def test_a_batch_that_has_no_room_is_computed_each_time() -> None:
    store = FeatureStore(most_bytes=64)
    assert asked(store, ["small"]) == ["small"]
    assert asked(store, ["large", "large"], rows=5) == ["large", "large"]
    assert asked(store, ["small"]) == []


def test_results_of_the_head_with_dropout_are_not_taken_for_new_ones() -> None:
    assert METHODS.identity("head") == "head@2"
    assert METHODS.identity("lora") == "lora"
    assert METHODS.identity("lora+bitfit") == "lora+bitfit"
