from __future__ import annotations

import json
from typing import Any

import pytest
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tasks.check import check, ids_of
from workbench.task import SPLITS, Task

ROWS = {
    "train": [("one", 0), ("One ", 0), ("two", 0), ("three", 1), ("four four", 1)],
    "validation": [("two", 0), ("five", 1)],
    "test": [("TWO", 1), ("three", 1), ("six", 1), ("seven", 0)],
}


def small(rows: dict[str, list[tuple[Any, ...]]], labels: tuple[str, ...] = ("a", "b")) -> Task:
    splits = {}
    for split in SPLITS:
        columns = [{"id": f"{split}-{n}", "text": text, "label": label} for n, (text, label) in enumerate(rows[split])]
        splits[split] = Dataset.from_list(columns)
    return Task("small", "classification", labels, splits, "0" * 64, "memory")


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")


def test_what_is_counted() -> None:  # expected values: counted by hand in ROWS
    report = check(small(ROWS))
    assert report["splits"]["train"] == {"examples": 5, "label_counts": {"a": 3, "b": 2}, "duplicates": 1}
    assert [report["splits"][split]["duplicates"] for split in SPLITS] == [1, 0, 0]
    assert report["leakage"] == {
        "train/validation": {"count": 1, "ids": ["validation-0"]},
        "train/test": {"count": 2, "ids": ["test-0", "test-1"]},
        "validation/test": {"count": 1, "ids": ["test-0"]},
    }
    assert report["conflicts"]["count"] == 1
    assert set(report["conflicts"]["ids"]) == {"train-2", "validation-0", "test-0"}
    assert report["majority"] == 0.25
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_one_number_deviates_by_nothing() -> None:
    values = {"train": [0.0, 1.0, 2.0, 3.0], "validation": [1.0], "test": [2.0]}
    splits = {
        split: Dataset.from_dict(
            {
                "id": [f"{split}-{index}" for index in range(len(numbers))],
                "text": [f"{split} {index}" for index in range(len(numbers))],
                "value": numbers,
                "centre": [1.5] * len(numbers),
                "spread": [1.25**0.5] * len(numbers),
            }
        )
        for split, numbers in values.items()
    }
    report = check(Task("small", "regression", (), splits, "0" * 64, "memory"))
    assert report["splits"]["test"]["values"] == {"min": 2.0, "mean": 2.0, "max": 2.0, "std": 0.0}
    assert report["splits"]["train"]["values"]["std"] == 1.25**0.5, "as the spread of the task"
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_dots_follow_the_ids_only_where_there_are_more() -> None:
    assert ids_of({"count": 2, "ids": ["a", "b"]}) == "a, b"
    assert ids_of({"count": 6, "ids": [*"abcde"]}) == "a, b, c, d, e, …"
    assert ids_of({"count": 1, "ids": [*"abc"]}, rows=2) == "a, b, c", "one text in conflict, with three rows"
    assert ids_of({"count": 3, "ids": [*"abcde"]}, rows=2) == "a, b, c, d, e, …"


def test_lengths(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = ROWS | {"test": [("w " * n, n % 2) for n in range(1, 101)]}
    tokens = check(small(rows), tokenizer, 80)["splits"]["test"]["tokens"]
    assert tokens == {"p50": 51, "p90": 91, "p99": 100, "max": 100, "measured": 100, "cut": 0.2}
    assert check(small(rows), tokenizer)["splits"]["train"]["tokens"]["cut"] is None
