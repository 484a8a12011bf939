"""``pairs: same-label``: two texts each, and neither alone says whether their labels are the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter_workbench.experiments.answers.adapter_task import task_file
from adapter_workbench.tasks.drafting.check import check
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.rows.pairs import same_label_pairs
from adapter_workbench.tasks.updating.state import require_updatable
from adapter_workbench.workbench.errors import DataError, InputError, SettingsError
from adapter_workbench.workbench.methods.task import SPLITS, Task
from tests.conftest import Call

Load = Callable[..., Task]
PAIRS = "files: {data: rows.csv}\ncolumns: {text: text}\npairs: same-label"


def labelled(labels: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {"id": [f"r{n}" for n in range(len(labels))], "text": [f"t{n}" for n in range(len(labels))], "label": labels}
    )


@settings(deadline=None, max_examples=80)
@given(st.lists(st.integers(0, 3), max_size=40), st.integers(0, 3))
def test_a_text_is_as_often_alike_as_not_on_either_side(labels: list[int], seed: int) -> None:
    pairs, of = same_label_pairs(labelled(labels), seed), {f"t{n}": label for n, label in enumerate(labels)}
    for first, second, answer in zip(pairs["text"], pairs["text_pair"], pairs["label"], strict=True):
        assert first != second
        assert (of[first] == of[second]) == answer
    sides = [Counter(zip(pairs[side], pairs["label"], strict=True)) for side in ("text", "text_pair")]
    assert set(sides[0]) == set(sides[1]) == {(text, answer) for text in pairs["text"] for answer in (0, 1)}
    assert all(count == 1 for side in sides for count in side.values())
    assert pairs["id"].is_unique


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 3), max_size=40))
def test_only_texts_that_cannot_be_in_such_pairs_are_left_out(labels: list[int]) -> None:
    counts = sorted(count for count in Counter(labels).values() if count > 1)
    usable = min(sum(counts), 2 * sum(counts[:-1]))  # no label may be on more than half of the texts
    assert same_label_pairs(labelled(labels), 0)["text"].nunique() == usable


def test_a_seed_draws_the_same_pairs_and_another_seed_others() -> None:
    rows = labelled([n % 3 for n in range(30)])
    assert same_label_pairs(rows, 0).equals(same_label_pairs(rows, 0))
    assert set(same_label_pairs(rows, 0)["id"]) != set(same_label_pairs(rows, 1)["id"])


def test_no_text_is_in_two_splits(load: Load) -> None:
    rows = ["text,label", *(f"{text} {n},{'abc'[n % 3]}" for n in range(60) for text in ("text", "Text"))]
    task = load(f"{PAIRS}\nlabels: [c, a]\nother_labels: drop", rows)
    assert task.labels == ("different", "same")
    assert task.splits["train"].column_names == ["id", "text", "text_pair", "label"]
    texts = [{*task.splits[split]["text"], *task.splits[split]["text_pair"]} for split in SPLITS]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 40, "equal but for case: one of two is kept"
    assert {split: len(rows) for split, rows in task.splits.items()} == {"train": 56, "validation": 8, "test": 16}
    report = check(task)
    assert report["splits"]["train"]["label_counts"] == {"different": 28, "same": 28}
    assert (report["conflicts"]["count"], report["majority"]) == (0, 0.5)
    assert "60 rows left out whose text another row of the source has" in task.origin


def test_texts_of_a_label_that_outnumbers_the_others_are_counted(load: Load) -> None:
    rows = ["text,label", *(f"t{n},{'a' if n % 4 else 'b'}" for n in range(80))]
    task = load(PAIRS, rows)
    assert {split: len(rows) for split, rows in task.splits.items()} == {"train": 56, "validation": 8, "test": 16}
    assert "40 texts left out so that both answers are equally frequent" in task.origin
    with pytest.raises(DataError, match=r"split 'validation' is empty"):
        load(PAIRS, rows[:20])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PAIRS.replace("same-label", "order"), "pairs"),
        (PAIRS.replace("{text: text}", "{text: text, text_pair: label}"), "leave `columns.text_pair` or `pairs` out"),
        (f"{PAIRS}\non_duplicate: keep", "leave `on_duplicate` out"),
        (f"{PAIRS}\nkind: regression", "belongs to `kind: classification`"),
    ],
)
def test_refused(load: Load, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(text)
    assert expected in str(error.value)


def test_a_table_of_examples_has_both_texts_and_whether_they_are_alike(folder: Path, load: Load) -> None:
    rows = ["body,team", *(f"t{n},{n % 2}" for n in range(40))]
    load(PAIRS.replace("{text: text}", "{text: body, label: team}"), rows)
    file: Any = task_file("mine", [folder])
    assert (file.columns.text, file.columns.text_pair, file.columns.label) == ("text", "text_pair", "label")
    assert (file.labels, file.pairs) == (["different", "same"], None)


def test_show_says_that_texts_come_once(call: Call) -> None:
    code, out, _ = call("tasks", "show", "same-group-six", "--json")
    shown = json.loads(out)
    assert (code, shown["pairs"], shown["on_duplicate"]) == (0, "same-label", "drop")


def test_pairs_have_no_versions(folder: Path, load: Load) -> None:
    load(PAIRS)
    with pytest.raises(InputError, match="makes pairs of its rows"):
        require_updatable(registry.find("mine", [folder]))


def test_the_unseen_groups_are_not_among_the_fourteen() -> None:
    six, fourteen = (registry.load(registry.find(f"same-group-{name}")) for name in ("six", "fourteen"))
    texts = [{text for split in SPLITS for text in task.splits[split]["text"][:]} for task in (six, fourteen)]
    assert texts[0].isdisjoint(texts[1])
    assert set(six.splits["test"]["text"][:]).isdisjoint(six.splits["train"]["text"][:])
