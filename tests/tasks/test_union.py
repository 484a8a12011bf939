"""Several tasks as one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from datasets import Dataset

from adapter_workbench.tasks.loading.union import pool_tasks, starts, union
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.task import Task
from tests.messages import naming


@pytest.fixture
def pair(task: Task) -> Task:
    """Three labels on pairs of texts."""
    texts = {"text": ["cat dog", "pear"], "text_pair": ["the plum", "horse really cow"]}
    rows = Dataset.from_dict({"id": ["p", "q"], **texts, "label": [2, 0]})
    return Task("pairs", "classification", ("a", "b", "c"), dict.fromkeys(task.splits, rows), "pairs", "here")


def test_labels_and_rows_stand_side_by_side(task: Task, pair: Task) -> None:
    combined = union([task, pair], "both", grouped=True)
    assert combined.labels == ("animals: first", "animals: second", "pairs: a", "pairs: b", "pairs: c")
    assert starts([task, pair]) == [0, 2]
    rows = combined.splits["test"]
    assert rows["id"][:] == [f"animals/{row}" for row in task.splits["test"]["id"][:]] + ["pairs/p", "pairs/q"]
    assert rows["label"][:] == [*task.splits["test"]["label"][:], 4, 2]
    assert rows["group"][:] == [0] * 24 + [1, 1]
    assert rows["text_pair"][:] == [None] * 24 + ["the plum", "horse really cow"]
    assert "group" not in union([task, pair], "both").splits["test"].column_names


def test_pooled_tasks_share_their_labels(task: Task, other_task: Task) -> None:
    combined = pool_tasks([task, other_task], "both")
    assert combined.labels == task.labels
    assert combined.splits["train"]["label"][:] == [
        *task.splits["train"]["label"][:],
        *other_task.splits["train"]["label"][:],
    ]
    assert combined.fingerprint not in {task.fingerprint, other_task.fingerprint}
    assert combined.fingerprint != pool_tasks([other_task, task], "both").fingerprint


def test_part_without_rows_changes_nothing(task: Task, pair: Task) -> None:
    empty = replace(pair, splits={name: rows.select([]) for name, rows in pair.splits.items()})
    combined = union([empty, task], "both", grouped=True)
    assert combined.splits["train"]["text"][:] == task.splits["train"]["text"][:]
    assert combined.splits["train"]["label"][:] == [3 + label for label in task.splits["train"]["label"][:]]
    assert set(combined.splits["train"]["group"][:]) == {1}


def test_pairs_and_single_texts_are_tokenised_as_by_themselves(task: Task, pair: Task, backbone: Backbone) -> None:
    kind, tokenizer = KINDS.get("classification"), backbone.tokenizer
    for length in (16, 5):  # 5 cuts the pairs
        alone = [row for part in (task, pair) for row in kind.encode(part.splits["test"], tokenizer, length)]
        together = kind.encode(union([task, pair], "both", grouped=True).splits["test"], tokenizer, length)
        for row, other in zip(alone, together, strict=True):
            other = {name: value for name, value in other.items() if name not in {"group", "labels"}}
            assert other == {name: value for name, value in row.items() if name != "labels"}
    counted = [count for part in (task, pair) for count in kind.lengths(part.splits["test"], tokenizer)[0]]
    assert kind.lengths(union([task, pair], "both").splits["test"], tokenizer)[0] == counted


def test_kinds_do_not_mix(task: Task, copying: Task) -> None:
    with pytest.raises(InputError, match=naming("together: causal-lm, classification")):
        union([task, copying], "both")
