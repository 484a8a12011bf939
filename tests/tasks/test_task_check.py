from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from adapter_workbench.tasks.drafting.check import check, ids_of
from adapter_workbench.tasks.rows.cutting import too_small
from adapter_workbench.workbench.methods.task import SPLITS, Task
from tests.conftest import Call
from tests.messages import lacks

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
    assert tokens == {"p50": 51, "p90": 91, "p99": 100, "max": 100, "measured": 100, "unknown": 1.0, "cut": 0.2}
    assert check(small(rows), tokenizer)["splits"]["train"]["tokens"]["cut"] is None


def test_tokens_that_mean_nothing() -> None:  # counted by hand
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "one": 1, "two": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    rows = ROWS | {"train": [("one two six", 0), ("two", 1)], "test": [("one", 0), ("two two", 1)]}
    splits = check(small(rows), tokenizer)["splits"]
    assert [splits[split]["tokens"]["unknown"] for split in SPLITS] == [0.25, 0.5, 0.0]
    assert (
        check(small(rows), PreTrainedTokenizerFast(tokenizer_object=words))["splits"]["train"]["tokens"]["unknown"] == 0
    )


def test_a_backbone_that_does_not_know_the_words_is_pointed_out(call: Call, folder: Path, bert: Path) -> None:
    lines = [f"{'这部电影很好看' if n % 2 else '谢谢您的快速回复'}{n},{'ab'[n % 2]}" for n in range(60)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    (folder / "mine.yaml").write_text("description: d\nfiles: {data: rows.csv}\ncolumns: {text: text, label: label}\n")
    arguments = ["tasks", "check", "mine", "--tasks", str(folder), "--backbone", str(bert)]
    code, out, err = call(*arguments)
    assert code == 0, err
    assert "of the tokens of train" in " ".join(out.split())
    assert next(line.split()[-1] for line in out.splitlines() if line.startswith("tokens")) == "unknown"
    tokens = json.loads(call(*arguments, "--json")[1])["splits"]["train"]["tokens"]
    assert tokens["unknown"] > 0.5
    (folder / "rows.csv").write_text("\n".join(["text,label", *(f"the cat sat,{'ab'[n % 2]}" for n in range(60))]))
    assert "mean nothing" not in call(*arguments)[1]


def test_six_rows_are_said_to_be_too_few(call: Call, folder: Path) -> None:
    (folder / "rows.csv").write_text("\n".join(["text,label", *(f"text {n},{'ab'[n % 2]}" for n in range(6))]))
    code, out, err = call("tasks", "new", "mine", "--from", str(folder / "rows.csv"), "--tasks", str(folder))
    assert code == 0, err
    warning = "Too small: train has 4, validation has 1, test has 1. Scores are mostly chance (one test example is 100"
    assert warning in " ".join(out.split())
    assert warning in " ".join(call("tasks", "check", "mine", "--tasks", str(folder))[1].split())
    report = json.loads(call("tasks", "check", "mine", "--tasks", str(folder), "--json")[1])
    assert report["too_small"] == ["train", "validation", "test"]
    (folder / "rows.csv").write_text("\n".join(["text,label", *(f"text {n},{'ab'[n % 2]}" for n in range(4))]))
    code, out, err = call("tasks", "check", "mine", "--tasks", str(folder))
    assert (code, out) == (2, "")
    assert lacks(err, "4 rows", "'validation' is empty") == []


def test_enough_rows_are_enough() -> None:
    assert too_small({"train": 20, "validation": 10, "test": 30}) == []
    assert too_small({"train": 1000, "validation": 100, "test": 29}) == ["test"]
