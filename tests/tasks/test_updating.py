"""Versions of a task as pure functions: rows, splits and labels over random sequences of updates."""

from __future__ import annotations

import pytest

from adapter_workbench.tasks.updating.label_changes import LabelChanges, label_map
from adapter_workbench.tasks.updating.label_map import LabelMap, unchanged
from adapter_workbench.tasks.updating.next_rows import next_rows
from adapter_workbench.tasks.updating.rows import GivenRow, Row, split_of
from adapter_workbench.workbench.errors import SettingsError
from adapter_workbench.workbench.settings.base import Document
from tests.tasks.updates import SHARES

ABC = unchanged(("a", "b", "c"))


def changed(labels: tuple[str, ...], **changes: object) -> LabelMap:
    document = Document(changes, "labels.yaml")
    return label_map(labels, document.parse(LabelChanges), document)


def test_labels_keep_their_places_and_say_where_they_come_from() -> None:
    labels = ("a", "b", "c", "d", "e")
    assert changed(labels, rename={"b": "B"}) == LabelMap(
        labels, ("a", "B", "c", "d", "e"), ((0,), (1,), (2,), (3,), (4,))
    )
    assert changed(labels, rename={"a": "b", "b": "a"}).labels == ("b", "a", "c", "d", "e")
    merged = changed(labels, merge={"bd": ["d", "b"]})
    assert (merged.labels, merged.sources) == (("a", "bd", "c", "e"), ((0,), (1, 3), (2,), (4,)))
    assert changed(labels, merge={"a": ["e"]}).sources == ((0, 4), (1,), (2,), (3,))
    divided = changed(labels, split={"c": ["c", "c2"]})
    assert (divided.labels, divided.sources) == (("a", "b", "c", "c2", "d", "e"), ((0,), (1,), (2,), (2,), (3,), (4,)))
    both = changed(labels, retire=["a"], add=["f", 7])
    assert (both.labels, both.sources[-2:]) == (("b", "c", "d", "e", "f", "7"), ((), ()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rename": {"x": "y"}}, "no label 'x'"),
        ({"rename": {"a": "b"}}, "2 labels called 'b'"),
        ({"add": ["a"]}, "2 labels called 'a'"),
        ({"retire": ["a"], "rename": {"a": "b2"}}, "'a' is changed 2 times"),
        ({"merge": {"m": ["a"]}}, "'m' would be made of one label"),
        ({"split": {"a": ["a2"]}}, "'a' is split into fewer than two"),
        ({"retire": ["a", "b"]}, "fewer than two labels"),
        ({"add": [" "]}, "without a name"),
        ({"add": [True]}, "text"),
        ({"renames": {}}, "rename"),
    ],
)
def test_changes_of_labels_that_cannot_be_made(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        changed(("a", "b", "c"), **changes)


def row(name: str, split: str = "train", label: str = "a", text: str | None = None) -> Row:
    return Row(name, split, text or f"text of {name}", label, (text or f"text of {name}",))


def test_ids_say_which_row_is_meant() -> None:
    old = [row("1"), row("2", "test"), row("3", label="b"), row("4", "validation")]
    rows = [
        GivenRow("text of 1", "b", ("",), "1"),
        GivenRow("other text", "a", ("other text",), "2"),
        GivenRow("text of 4", "a", ("",), "4"),
        GivenRow("text of 2", "c", ("again",), "5"),
    ]
    made = next_rows(old, {}, rows, ABC, SHARES, replace=True)
    assert (made.changes.relabelled, made.changes.changed, made.changes.gone, made.changes.new) == (
        ("1",),
        ("2",),
        ("3",),
        ("5",),
    )
    assert {row.id: row.split for row in made.rows} == {"1": "train", "2": "test", "4": "validation", "5": "test"}
    assert made.forgotten == {"text of 3": "train"}


def test_a_row_that_takes_the_text_of_another_split_is_left_out() -> None:
    old = [row("1"), row("2", "test"), row("3", "test"), row("4")]
    rows = [GivenRow("text of 2", "a", ("",), "1"), GivenRow("text of 4", "a", ("",), "3")]
    made = next_rows(old, {}, rows, ABC, SHARES, replace=False)
    assert made.changes.left_out == ("1", "3")
    assert [row.id for row in made.rows] == ["2", "4"]


def test_a_text_that_was_gone_comes_back_to_its_split() -> None:
    made = next_rows([row("1")], {"x": "test"}, [GivenRow("x", "b", ("x",), split="train")], ABC, SHARES, replace=False)
    assert [row.split for row in made.rows] == ["train", "test"]
    assert made.changes.elsewhere == ("x",)


def test_what_the_first_version_has_in_two_splits_stays_where_it_is_tested() -> None:
    old = [row("2", "test", text="x"), row("1", "train", text="x"), row("3")]
    made = next_rows(old, {}, [GivenRow("x", "b", ("x",))], ABC, SHARES, replace=False)
    assert made.changes.left_out == ("1",)
    assert [(row.id, row.split, row.label) for row in made.rows] == [("2", "test", "b"), ("3", "train", "a")]


@pytest.mark.parametrize(
    ("given", "stay"),
    [
        (["a"], {"2": "a"}),
        (["b"], {"3": "b"}),
        (["a", "a"], {"2": "a", "4": "a"}),
        (["a", "b"], {"2": "a", "3": "b"}),
        (["c"], {"2": "c"}),
        (["a", "b", "c"], {"2": "a", "3": "b", "4": "c"}),
        (["a", "a", "b", "c"], {"2": "a", "3": "b", "4": "a", "row-": "c"}),
    ],
)
def test_of_equal_rows_as_many_stay_as_are_given_in_place_of_all(given: list[str], stay: dict[str, str]) -> None:
    drawn = [("1", "train", "b"), ("2", "test", "a"), ("3", "test", "b"), ("4", "test", "a")]
    old = [row(name, split, label, "x") for name, split, label in drawn]
    rows = [GivenRow("x", label, ("x",)) for label in given]
    made = next_rows(old, {}, rows, ABC, SHARES, replace=True)
    assert {("row-" if row.id.startswith("row-") else row.id): row.label for row in made.rows} == stay
    assert {row.split for row in made.rows} == {"test"}
    added = next_rows(old, {}, rows, ABC, SHARES, replace=False).rows
    assert {row.label for row in added} == {*given}
    assert len(added) == (4 if {*given} == {*"abc"} else 3), "all old ones stay that are not in train too"


def test_texts_are_dealt_by_their_digest_in_the_shares_of_the_task() -> None:
    splits = [split_of(f"text {number}", SHARES) for number in range(4000)]
    assert abs(splits.count("test") - 800) < 100  # 4 standard deviations of a binomial draw
    assert abs(splits.count("validation") - 400) < 80
