"""Task files of the kinds whose answer is not one label: sets, tags and numbers, as they come out of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from workbench.errors import DataError, SettingsError
from workbench.task import Task

HEAD = "kind: {}\nfiles: {{data: rows.csv}}\ncolumns: {{text: text, label: {}}}\n"
Load = Callable[[str, Sequence[str]], Task]


def by_text(task: Task, column: str) -> dict[str, object]:
    return {row["text"]: row[column] for rows in task.splits.values() for row in rows}


def test_a_set_of_labels_is_a_parted_string_or_several_columns(load: Load) -> None:
    from_string = load(
        HEAD.format("multilabel", "topics"),
        ["text,topics", *(f't{i},"{"war, art" if i % 2 else "art"}"' for i in range(40))],
    )
    assert (from_string.labels, by_text(from_string, "labels")["t1"], by_text(from_string, "labels")["t2"]) == (
        ("art", "war"),
        [0, 1],
        [0],
    )
    from_columns = load(
        HEAD.format("multilabel", "[art, war]"), ["text,art,war", *(f"t{i},1,{i % 2}" for i in range(40))]
    )
    assert by_text(from_columns, "labels") == by_text(from_string, "labels")


def test_a_number_comes_with_the_scale_of_the_training_values(load: Load) -> None:
    task = load(HEAD.format("regression", "stars"), ["text,stars", *(f"t{i},{i / 4}" for i in range(40))])
    values = task.splits["train"].to_pandas()["value"]
    assert task.scale == pytest.approx((values.mean(), values.std(ddof=0)))
    assert by_text(task, "value")["t7"] == 1.75


def test_each_word_has_its_tag(load: Load) -> None:
    file = HEAD.format("token-classification", "tags")
    task = load(file, ["text,tags", *(f"cat {i},B-A O" for i in range(40))])
    assert (task.labels, by_text(task, "tags")["cat 3"]) == (("B-A", "O"), [0, 1])
    with pytest.raises(DataError, match="have not one tag for each word; row data-0 has 2 words and 1 tags"):
        load(file, ["text,tags", "cat sat,O", "dog,O"])


def test_what_does_not_fit_is_said(load: Load) -> None:
    with pytest.raises(DataError, match="hold no number"):
        load(HEAD.format("regression", "stars"), ["text,stars", "a,many", "b,2"])
    with pytest.raises(SettingsError, match="belong to `kind: multilabel`"):
        load(HEAD.format("regression", "[a, b]"), ["text,a,b", "a,1,2"])
