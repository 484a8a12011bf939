"""Versions of a task on disk: what TASK and TASK@N mean, what an update writes, and what stays as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapter_workbench.tasks.drafting.draft import draft, write
from adapter_workbench.tasks.drafting.found_data import data_at
from adapter_workbench.tasks.drafting.guess import GivenColumns
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.updating import update as update_module
from adapter_workbench.tasks.updating.difference import difference
from adapter_workbench.tasks.updating.history import history
from adapter_workbench.tasks.updating.update import UpdateRequest, update
from adapter_workbench.tasks.updating.version import labels_between
from adapter_workbench.workbench.errors import DataError, InputError, IntegrityError, UnknownNameError, UnwritableError
from adapter_workbench.workbench.methods.task import SPLITS, Task
from adapter_workbench.workbench.settings.base import Document
from tests.conftest import Call
from tests.messages import naming
from tests.read_only import read_only
from tests.tasks.conftest import forty_rows

Load = Callable[..., Task]
PLAIN = "files: {data: rows.csv}\ncolumns: {text: text}"


@pytest.fixture
def more(folder: Path) -> Callable[..., str]:
    """Write rows of an update to a csv file, and return its path."""

    def write(*rows: str, header: str = "text,label", name: str = "more.csv") -> str:
        path = folder.parent / name
        path.write_text("\n".join([header, *rows]) + "\n")
        return str(path)

    return write


@pytest.fixture
def updated(folder: Path) -> Callable[..., int]:
    """Update the task `mine`, and return the number of its newest version."""

    def run(origin: str | None = None, *, replace: bool = False, **labels: object) -> int:
        document = Document(labels, "labels.yaml") if labels else None
        return update("mine", [folder], folder, UpdateRequest(origin, replace, document)).number

    return run


def loaded(name: str, folder: Path) -> Task:
    return registry.load(registry.find(name, [folder]))


def rows_of(task: Task) -> dict[str, tuple[str, str, str]]:
    """Return id → split, text, label."""
    return {
        row["id"]: (split, row["text"], task.labels[row["label"]]) for split in SPLITS for row in task.splits[split]
    }


def new_rows(count: int, label: str = "a", word: str = "new") -> list[str]:
    return [f"{word} text {number},{label}" for number in range(count)]


def test_a_task_keeps_its_name_and_every_version_its_rows(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    first = load(PLAIN + "\nlicense: CC0")
    assert updated(more(*new_rows(20), "TEXT  number 3,a")) == 2
    second = loaded("mine", folder)
    assert (second.name, second.license, second.labels) == ("mine", "CC0", first.labels)
    assert second.origin.startswith("version 2, from ")
    before, after = rows_of(first), rows_of(second)
    assert len(after) == len(before) + 20
    assert {row: after[row] for row in before if row != "data-3"} == {
        row: before[row] for row in before if row != "data-3"
    }
    assert before["data-3"][2:] == ("b",)
    assert after["data-3"] == (*before["data-3"][:2], "a"), "its text is that of the file but for case and white space"
    (folder / "rows.csv").write_text("text,label\n" + "\n".join(new_rows(40, "z", "other")) + "\n")
    shutil.rmtree(folder.parent / "cache")
    assert loaded("mine@1", folder).fingerprint == first.fingerprint
    assert loaded("mine@2", folder).fingerprint == loaded("mine", folder).fingerprint == second.fingerprint
    assert [entry["fingerprint"] for entry in history("mine", [folder])] == [first.fingerprint, second.fingerprint]


def test_the_rows_of_every_version_can_be_had_again(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    generator, fingerprints = Random(0), [load(PLAIN).fingerprint]
    trained: set[str] = set()
    tested: set[str] = set()
    for step in range(6):
        texts = [f"text number {number},{generator.choice('ab')}" for number in generator.sample(range(70), 25)]
        updated(more(*texts), **({} if step % 3 else {"rename": {"a": "b", "b": "a"}}))
        rows = rows_of(loaded("mine", folder)).values()
        trained |= {text for split, text, _ in rows if split != "test"}
        tested |= {text for split, text, _ in rows if split == "test"}
        fingerprints.append(loaded("mine", folder).fingerprint)
    assert not trained & tested
    shutil.rmtree(folder.parent / "cache")
    assert [loaded(f"mine@{number}", folder).fingerprint for number in range(1, 8)] == fingerprints


def test_neither_the_order_of_rows_nor_that_of_updates_matters(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    load(PLAIN)
    first, second = new_rows(30), new_rows(30, "b", "later")

    def split_of_text(*updates: list[str]) -> dict[str, str]:
        shutil.rmtree(folder / "mine.versions", ignore_errors=True)
        for rows in updates:
            updated(more(*rows))
        return {text: split for split, text, _ in rows_of(loaded("mine", folder)).values()}

    together = split_of_text([*first, *second])
    fingerprint = loaded("mine", folder).fingerprint
    assert split_of_text([*reversed(second), *first]) == together
    assert loaded("mine", folder).fingerprint == fingerprint
    assert split_of_text(second, first) == split_of_text(first, second) == together


def test_the_same_rows_make_no_version(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    load(PLAIN)
    assert updated(str(folder / "rows.csv"), replace=True) == 1
    assert updated(more("Text   number 7,b")) == 1
    assert not [*folder.glob("*.versions")]
    updated(more(*new_rows(5)))
    assert updated(more(*new_rows(5))) == 2


def test_a_dry_run_writes_nothing(folder: Path, load: Load, more: Callable[..., str]) -> None:
    load(PLAIN)
    planned = update("mine", [folder], folder, UpdateRequest(more(*new_rows(5))), dry_run=True)
    assert planned.number == 2
    assert not [*folder.glob("*.versions")]


def test_replaced_rows_are_gone_and_come_back_to_their_split(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    first = rows_of(load(PLAIN))
    lines = forty_rows()
    updated(more(*lines[1:36], *new_rows(3)), replace=True)
    assert len(loaded("mine", folder).splits["train"]) < 40
    gone = {f"text number {number}" for number in range(35, 40)}
    assert not gone & {text for _, text, _ in rows_of(loaded("mine", folder)).values()}
    updated(more(*lines[1:]))
    splits = {text: split for split, text, _ in rows_of(loaded("mine", folder)).values()}
    assert {text: splits[text] for text in gone} == {text: split for split, text, _ in first.values() if text in gone}


def test_rows_without_their_copies_replace_all_rows(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    once = [f"text {number},{'ab'[number % 2]}" for number in range(60)]
    load(PLAIN, ["text,label", *once, *once, *once])
    assert updated(more(*once, *once, *once), replace=True) == 1, "the same rows make no version"
    assert updated(more(*once), replace=True) == 2
    assert len(rows_of(loaded("mine", folder))) == 60
    assert updated(more(*once), replace=True) == 2


def test_labels_are_renamed_merged_split_retired_and_added(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    rows = ["text,label", *(f"text number {number},{number % 4}" for number in range(80))]
    first = load(PLAIN + "\nlabels: [north, east, south, west]", rows)
    assert updated(rename={"east": "ost"}, merge={"pole": ["south", "north"]}) == 2
    second = loaded("mine", folder)
    assert second.labels == ("pole", "ost", "west")
    renamed = {"north": "pole", "south": "pole", "east": "ost", "west": "west"}
    assert {row: kept[2] for row, kept in rows_of(second).items()} == {
        row: renamed[kept[2]] for row, kept in rows_of(first).items()
    }
    assert updated(more("text number 90,2", "text number 91,east", "text number 92,north")) == 3
    labels = {text: label for _, text, label in rows_of(loaded("mine", folder)).values()}
    assert [labels[f"text number {number}"] for number in (90, 91, 92)] == ["pole", "ost", "pole"]
    with pytest.raises(DataError, match=r"20 rows of a label that is split .*data-"):
        updated(more(*new_rows(5, "low")), split={"west": ["low", "high"]})
    halves = [f"text number {number},{('low', 'high')[number % 8 // 4]}" for number in range(3, 80, 4)]
    assert updated(more(*halves, *new_rows(12, "up")), split={"west": ["low", "high"]}, retire=["ost"], add=["up"]) == 4
    fourth = loaded("mine", folder)
    assert fourth.labels == ("pole", "low", "high", "up")
    assert [entry["sources"] for entry in history("mine", [folder])][3] == [[0], [2], [2], []]
    assert {label for _, _, label in rows_of(fourth).values()} == {*fourth.labels}
    found = difference("mine@1", "mine@4", [folder])
    assert [entry["from"] for entry in found["labels"]] == [["north", "south"], ["west"], ["west"], []]
    assert (found["retired"], found["relabelled"]) == (["east"], [])


def test_names_that_were_exchanged_are_exchanged_back_by_way_of_a_third(
    folder: Path, load: Load, updated: Callable[..., int], call: Call
) -> None:
    first = load(PLAIN)
    Path("swap.yaml").write_text("rename: {a: b, b: a}\n")
    command = ["tasks", "update", "mine", "--labels", "swap.yaml", "--tasks", str(folder)]
    code, out, err = call(*command)
    assert (code, "third name" in out) == (0, False), err
    code, out, err = call(*command)
    assert code == 0, err
    assert "No version was made" in out
    assert "a third name first" in out
    assert json.loads(call(*command, "--json")[1])["exchanged_before"] is True
    assert updated(rename={"a": "c"}) == 3
    assert updated(rename={"b": "a", "c": "b"}) == 4
    assert rows_of(loaded("mine", folder)) == rows_of(first)
    assert "third name" not in call("tasks", "update", "mine", "--from", str(folder / "rows.csv"), *command[-2:])[1]


def test_unknown_labels_are_refused_or_left_out_as_the_file_says(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    load(PLAIN)
    with pytest.raises(DataError, match=r"'refund' \(9 rows\)") as error:
        updated(more(*new_rows(9, "refund")))
    assert "`add`" in str(error.value)
    with pytest.raises(DataError, match=r"no training example of refund \(0 rows"):
        updated(more(*new_rows(9)), add=["refund"])
    assert not [*folder.glob("*.versions")]
    load(PLAIN + "\nlabels: [a, b]\nother_labels: drop")
    assert updated(more(*new_rows(9, "refund"), "one more,a")) == 2
    assert len(rows_of(loaded("mine", folder))) == 41


def test_ids_of_ones_own_say_which_row_changed(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    rows = ["text,label,key", *(f"text number {number},{'ab'[number % 2]},{number}" for number in range(40))]
    first = load("files: {data: rows.csv}\ncolumns: {text: text, id: key}", rows)
    with pytest.raises(DataError, match="ids are not unique: 5"):
        updated(more("x,a,5", "y,b,5", header="text,label,key"))
    assert updated(more("written anew,b,5", "another,a,x1", header="text,label,key")) == 2
    second = rows_of(loaded("mine", folder))
    assert second["5"] == (rows_of(first)["5"][0], "written anew", "b")
    assert second["x1"][1:] == ("another", "a")
    assert loaded("mine@1", folder).fingerprint == first.fingerprint
    updated(more(*new_rows(3), "written anew,a"))
    third = rows_of(loaded("mine", folder))
    assert third["5"][2] == "a", "without the column, the text says which row is meant"
    assert len(third) == len(second) + 3


def test_a_version_can_be_read_whatever_its_labels_hold(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    odd = "a\x85b\u2028c"
    load(PLAIN, ["text,label", *(f"text {n},{(odd, 'd')[n % 2]}" for n in range(40))])
    assert updated(more(*new_rows(20, odd))) == 2
    assert loaded("mine", folder).labels == (odd, "d")
    assert updated(more(*new_rows(20, "d", "later"))) == 3
    made = draft("drafted", data_at(str(folder / "rows.csv"), folder), GivenColumns(), f"with {odd}")
    write(made, folder)
    assert loaded("drafted", folder).labels == (odd, "d")


def test_labels_keep_their_order_in_the_digest_of_a_version(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    load(PLAIN + "\nlabels: {b: b, a: a}")
    assert updated(more(*new_rows(20))) == 2
    task = loaded("mine", folder)
    assert task.labels == ("b", "a")
    assert registry.numbers_by_data(registry.versions("mine", [folder]))[task.fingerprint] == 2


def test_a_text_may_be_its_own_id(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    load("files: {data: rows.csv}\ncolumns: {text: text, id: text}")
    assert updated(more(*new_rows(20))) == 2
    assert updated(more("text number 0,b", *new_rows(5, word="later"))) == 3
    between = difference("mine@1", "mine@3", [folder])
    assert (len(rows_of(loaded("mine", folder))), sum(between["rows"]["new"].values())) == (65, 25)
    assert between["characters"]["new"]["median"] == len("new text 10")


@pytest.mark.parametrize("condition", ["en", "{at_least: e, below: f}"])
def test_pairs_joined_columns_and_where_are_read_as_in_the_first_version(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int], condition: str
) -> None:
    rows = [
        "title,body,question,label,language",
        *(f"T{n},B{n},Q{n},{'ab'[n % 2]},{('en', 'de')[n % 4 == 3]}" for n in range(60)),
    ]
    columns = "columns: {text: [title, body], text_pair: question}"
    text = f"files: {{data: rows.csv}}\n{columns}\nwhere: {{language: {condition}}}"
    first = load(text, rows)
    assert updated(more("T99,B99,Q99,a,en", "T98,B98,Q98,a,de", header=rows[0])) == 2
    second = loaded("mine", folder)
    assert second.splits["train"].column_names == first.splits["train"].column_names
    assert len(rows_of(second)) == len(rows_of(first)) + 1
    assert loaded("mine@1", folder).fingerprint == first.fingerprint


def test_rows_that_come_in_splits_stay_in_them_unless_they_belong_elsewhere(
    folder: Path, load: Load, updated: Callable[..., int]
) -> None:
    first = load(PLAIN)
    tested = first.splits["test"][0]["text"]
    (given := folder.parent / "given").mkdir()
    (given / "train.csv").write_text(f"text,label\nfresh one,a\n{tested},a\n{tested.upper()},b\n")
    (given / "test.csv").write_text("text,label\nfresh two,b\n")
    updated(str(given))
    splits = {text: split for split, text, _ in rows_of(loaded("mine", folder)).values()}
    assert (splits["fresh one"], splits["fresh two"], splits[tested]) == ("train", "test", "test")
    assert tested.upper() not in {text for text, split in splits.items() if split == "train"}


def test_new_rows_may_be_for_the_test_alone(folder: Path, load: Load, updated: Callable[..., int]) -> None:
    load(PLAIN)
    (more := folder.parent / "more").mkdir()
    (more / "test.csv").write_text("\n".join(["text,label", *new_rows(20)]))
    assert updated(str(more)) == 2
    assert {split for split, text, _ in rows_of(loaded("mine", folder)).values() if text.startswith("new")} == {"test"}


def test_a_task_of_the_catalog_has_its_versions_in_a_folder_of_ones_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, load: Load, more: Callable[..., str]
) -> None:
    load(PLAIN)
    shipped = folder.parent / "catalog"
    folder.rename(shipped)
    monkeypatch.setattr(registry, "CATALOG", shipped)
    own = folder.parent / "own"
    update("mine", [], own, UpdateRequest(more(*new_rows(5))))
    assert sorted(path.name for path in own.glob("mine.versions/[0-9]")) == ["1", "2"]
    assert registry.load(registry.find("mine", [own])).origin.startswith("version 2")
    assert registry.find("mine").source == "files"
    monkeypatch.chdir(folder.parent)
    own.rename("tasks")
    assert registry.find("mine", registry.user_folders()).source == "version"


def test_only_classification_tasks_have_versions(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    load(f"{PLAIN}\nkind: multilabel")
    with pytest.raises(InputError, match="multilabel task; only classification"):
        updated(more(*new_rows(3)))
    numbers = ["text,label", *(f"t{number},{number % 6}" for number in range(60))]
    load(f"{PLAIN}\nranges: {{low: [0, 2], high: [4, 5]}}", numbers)
    with pytest.raises(InputError, match="ranges"):
        updated(more(*new_rows(3)))


def test_labels_that_are_raw_values_of_others_have_no_versions(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    """A later file could mean either, and known texts would change their labels."""
    numbers = ["text,label", *(f"text number {number},{number % 3}" for number in range(60))]
    load(f"{PLAIN}\nlabels: {{0: 1, 1: 2, 2: 3}}", numbers)
    with pytest.raises(InputError, match=naming("'1' is a label of mine", "raw value that means '2'", "labels")):
        updated(more("a text,1"))
    assert not (folder / "mine.versions").exists()
    load(f"{PLAIN}\nlabels: {{0: 0, 1: one, 2: one}}", numbers)
    assert updated(more("a text,0", "another,2")) == 2


def test_a_row_that_was_left_out_is_not_new_when_the_update_is_given_again(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    rows = ["text,label,key", *(f"text number {number},{'ab'[number % 2]},{number}" for number in range(40))]
    first = rows_of(load("files: {data: rows.csv}\ncolumns: {text: text, id: key}", rows))
    trained, tested = (next(row for row, facts in first.items() if facts[0] == split) for split in ("train", "test"))
    moved = more(f"{first[tested][1]},a,{trained}", "another,b,x1", header="text,label,key")
    assert updated(moved) == 2
    second = rows_of(loaded("mine", folder))
    assert trained not in second, "its text belongs to another split"
    assert updated(moved) == 2
    assert rows_of(loaded("mine", folder)) == second


def test_a_version_that_is_gone_is_named_where_labels_have_to_be_followed(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    load(PLAIN)
    assert [updated(more(*new_rows(number))) for number in (3, 6)] == [2, 3]
    shutil.rmtree(folder / "mine.versions" / "2")
    with pytest.raises(InputError, match=naming("mine@2 is gone", "labels of mine@1", "workbench add mine")):
        labels_between(registry.versions("mine", [folder]), 1, 3)


def test_what_cannot_be_named(folder: Path, load: Load, more: Callable[..., str]) -> None:
    load(PLAIN)
    for name in ("mine@2", "mine@0", "mine@x", "mine@", "mine@1@1"):
        with pytest.raises(UnknownNameError, match="no version"):
            registry.find(name, [folder])
    with pytest.raises(UnknownNameError, match="no task"):
        registry.find("../mine@1", [folder])
    with pytest.raises(InputError, match="begins at the newest"):
        update("mine@1", [folder], folder, UpdateRequest(more(*new_rows(3))))
    with pytest.raises(InputError, match="one version"):
        difference("mine@1", None, [folder])
    with pytest.raises(DataError, match="no column 'text'"):
        update("mine", [folder], folder, UpdateRequest(more("x,y", header="body,team")))


def test_rows_that_were_deleted_do_not_come_from_the_cache(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    load(PLAIN)
    updated(more(*new_rows(60), *new_rows(60, "b", "later")), replace=True)
    assert len(rows_of(loaded("mine@1", folder))) == 40
    (folder / "mine.versions" / "1" / "train.parquet").unlink()
    with pytest.raises(IntegrityError, match=naming("the file is missing", "train.parquet")):
        loaded("mine@1", folder)
    assert registry.available(registry.find("mine@1", [folder])).state == "missing"
    assert len(rows_of(loaded("mine", folder))) == 120


def test_damage_is_noticed(folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]) -> None:
    load(PLAIN)
    updated(more(*new_rows(5)))
    path = folder / "mine.versions" / "2" / "test.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="the content has changed"):
        loaded("mine", folder)
    facts = folder / "mine.versions" / "1" / "version.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"note": "x"}))
    with pytest.raises(IntegrityError, match="the content has changed"):
        history("mine", [folder])


def test_of_two_updates_at_once_the_second_begins_at_the_first(
    folder: Path, load: Load, more: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load(PLAIN)
    first, second = more(*new_rows(5)), more(*new_rows(5, "b", "other"), name="other.csv")
    hold = update_module.hold

    def hold_late(path: Path, **named: Any) -> AbstractContextManager[bool]:
        monkeypatch.setattr(update_module, "hold", hold)
        update("mine", [folder], folder, UpdateRequest(first))
        return hold(path, **named)

    monkeypatch.setattr(update_module, "hold", hold_late)
    assert update("mine", [folder], folder, UpdateRequest(second)).number == 3
    assert [entry["changes"].get("new") for entry in history("mine", [folder])] == [0, 5, 5]


def test_a_folder_of_tasks_that_cannot_be_written_is_named(
    folder: Path, load: Load, more: Callable[..., str], updated: Callable[..., int]
) -> None:
    load(PLAIN)
    rows = more(*new_rows(5))
    with read_only(folder), pytest.raises(UnwritableError, match="cannot write to the folder of tasks") as refusal:
        updated(rows)
    assert "--tasks" in str(refusal.value.hint)
