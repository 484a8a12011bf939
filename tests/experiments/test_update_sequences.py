"""Random sequences of updates: every version's answers stay, no row of a test is trained on, no label is swapped.

The adapters are linear heads over features of the texts; each goes on from the head of the version before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from random import Random
from typing import Any

import pytest
import torch
from datasets import Dataset
from datasets.table import InMemoryTable
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapter_workbench.experiments.ways import UpdateContext
from adapter_workbench.tasks.updating.label_map import LabelMap, composed, unchanged
from adapter_workbench.tasks.updating.new_rows import ids_of_new
from adapter_workbench.tasks.updating.rows import Row
from adapter_workbench.workbench.methods.heads import head_rows
from adapter_workbench.workbench.methods.task import SPLITS, Task
from adapter_workbench.workbench.settings.base import Budget
from tests.tasks.updates import TEXTS, Life

WIDTH = 8
NAMES = [f"text {number}" for number in range(TEXTS)]
FEATURES = torch.randn(TEXTS, WIDTH, generator=torch.Generator().manual_seed(0))  # of each text


@dataclass
class Version:
    """A version of a task with its adapter: a linear head.

    Attributes:
        rows: of all splits.
        labels: in the order of the classes.
        head: weight (labels, WIDTH) and bias (labels,).
        answers: logits of all texts as they were when the adapter was made (TEXTS, labels).
    """

    rows: tuple[Row, ...]
    labels: tuple[str, ...]
    head: tuple[Tensor, Tensor]
    answers: Tensor

    def split(self, name: str) -> list[Row]:
        return [row for row in self.rows if row.split == name]


def logits(head: tuple[Tensor, Tensor]) -> Tensor:
    weight, bias = head
    return FEATURES @ weight.T + bias  # (TEXTS, labels)


def fresh_head(labels: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(labels, WIDTH, generator=generator), torch.randn(labels, generator=generator)


def task_of(version: Version) -> Task:
    """Return a version as ways get it."""
    splits = {}
    for name in SPLITS:
        rows = version.split(name)
        columns: dict[str, list[Any]] = {"id": [row.id for row in rows], "text": [row.text for row in rows]}
        columns["label"] = [version.labels.index(row.label) for row in rows]
        table = InMemoryTable.from_pydict(columns)
        splits[name] = Dataset(table, fingerprint=name)  # else one is computed: half the time
    return Task("tickets", "classification", version.labels, splits, "", "made in tests")


def context(older: Version, newer: Version, labels: LabelMap) -> UpdateContext:
    """Return what a way gets for the update from an earlier version; nothing of it has a champion to open."""
    new = ids_of_new(older.rows, newer.split("train"), labels)
    nothing: Any = None
    places = {"settings": nothing, "champion": nothing, "adaptation": nothing, "listener": nothing}
    return UpdateContext(
        labels=labels, task=task_of(newer), new_rows=new, budget=Budget(epochs=1), seed=0, label="", **places
    )


def require_rows(update: UpdateContext, older: Version, newer: Version, tested: set[str]) -> None:
    """Check the rows that ways read: all training rows, new or old, none that was ever tested, each with its label."""
    new, old = ({row["id"]: row for row in rows} for rows in (update.rows, update.old_rows))
    assert {*new} | {*old} == {row.id for row in newer.split("train")}
    assert not {*new} & {*old}
    assert not {row["text"] for row in (*new.values(), *old.values())} & tested
    assert not {*update.drawn.splits["train"]["text"]} & tested
    before = {row.id: row for row in older.rows}
    for row_id, row in old.items():
        assert row["text"] == before[row_id].text
        assert newer.labels[row["label"]] in update.labels.later(before[row_id].label), "no label is swapped"
    for row_id in new.keys() & before.keys():
        same = before[row_id].text == new[row_id]["text"]
        assert not same or update.labels.later(before[row_id].label) != (newer.labels[new[row_id]["label"]],)


def require_head(old: Version, head: tuple[Tensor, Tensor], labels: LabelMap) -> None:
    """Check that each class has the logits of the class that it comes from: of a renamed one to the last bit."""
    asked = logits(head)
    parts = [position for positions in labels.sources for position in positions]
    for column, positions in enumerate(labels.sources):
        if len(positions) == 1 and parts.count(positions[0]) == 1:
            assert torch.equal(head[0][column], old.head[0][positions[0]])
            assert torch.equal(head[1][column], old.head[1][positions[0]])
            torch.testing.assert_close(asked[:, column], old.answers[:, positions[0]])
    if all(positions for positions in labels.sources) and len({*parts}) == len(parts) == len(labels.before):
        before = [labels.before[position] for position in old.answers.argmax(1).tolist()]
        if all(len(positions) == 1 for positions in labels.sources):
            after = [labels.labels[position] for position in asked.argmax(1).tolist()]
            assert [labels.later(label) for label in before] == [(label,) for label in after]


def trained(head: tuple[Tensor, Tensor], update: UpdateContext) -> None:
    """Take a step of softmax regression on the new rows, in place."""
    weight, bias = head
    if not len(update.rows):
        return
    features = FEATURES[[NAMES.index(text) for text in update.rows["text"]]]
    errors = logits_of(features, head).softmax(1)
    errors[range(len(errors)), update.rows["label"][:]] -= 1  # (rows, labels)
    weight -= 0.5 * errors.T @ features / len(features)
    bias -= 0.5 * errors.mean(0)


def logits_of(features: Tensor, head: tuple[Tensor, Tensor]) -> Tensor:
    return features @ head[0].T + head[1]


def live(seed: int, updates: int) -> Sequence[Version]:
    """Update a task again and again, and its adapter with it; everything is checked at each version."""
    life = Life(Random(seed))
    head = fresh_head(len(life.labels), seed)
    versions = [Version(life.rows, life.labels, head, logits(head))]
    tested = {row.text for row in life.rows if row.split != "train"}
    for number in range(updates):
        life.update()
        if len(life.steps) < len(versions):
            continue  # this one was refused
        previous, labels = versions[-1], life.steps[-1]
        head = head_rows(*previous.head, labels.sources, fresh_head(len(labels.labels), seed + number))
        require_head(previous, head, labels)
        tested |= {row.text for row in life.rows if row.split != "train"}
        newest = Version(life.rows, life.labels, head, logits(head))
        for first in {0, len(versions) - 1}:
            between = reduce(composed, life.steps[first:], unchanged(versions[first].labels))
            update = context(versions[first], newest, between)
            require_rows(update, versions[first], newest, tested)
        trained(head, update)
        newest.answers = logits(head)
        versions.append(newest)
        assert all(torch.equal(logits(version.head), version.answers) for version in versions)
    require_sources(life.steps)
    return versions


def require_sources(steps: Sequence[LabelMap]) -> None:
    """Check that heads remapped step by step have the sources that the composed map names."""
    first = steps[0].before if steps else ("a", "b", "c")
    weight, bias = torch.eye(len(first)), torch.zeros(len(first))  # which first label a row of the head comes from
    for step in steps:
        fresh = torch.zeros(len(step.labels), len(first)), torch.zeros(len(step.labels))
        weight, bias = head_rows(weight, bias, step.sources, fresh)
    whole = reduce(composed, steps, unchanged(first))
    assert [tuple(row.nonzero().flatten().tolist()) for row in weight] == [*whole.sources]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_versions_keep_their_answers_their_test_rows_and_their_labels(seed: int) -> None:
    live(seed, updates=6)


@pytest.mark.acceptance
def test_five_hundred_sequences_of_updates() -> None:
    lives = [live(seed, updates=12) for seed in range(500)]
    assert sum(len(versions) - 1 for versions in lives) > 500 * 6, "most updates are possible"
