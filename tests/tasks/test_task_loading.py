from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import DataError, InputError, UnknownNameError
from adapter_workbench.workbench.methods.task import SPLITS, Task
from tests.messages import naming

Load = Callable[..., Task]
FILES = "files: {data: rows.csv}"
PLAIN = f"{FILES}\ncolumns: {{text: text}}"


def test_a_plain_file(load: Load) -> None:
    task = load(PLAIN + "\nlicense: CC0")
    assert {split: len(rows) for split, rows in task.splits.items()} == {"train": 28, "validation": 4, "test": 8}
    assert (task.labels, task.license, task.origin) == (("a", "b"), "CC0", "files rows.csv")
    assert task.splits["train"].column_names == ["id", "text", "label"]
    ids = [row_id for split in SPLITS for row_id in task.splits[split]["id"]]
    assert sorted(ids) == sorted(f"data-{n}" for n in range(40))


def test_the_fingerprint_is_that_of_the_rows_and_not_of_the_file(folder: Path, load: Load) -> None:
    plain = load(PLAIN)
    lines = (folder / "rows.csv").read_text().splitlines()
    (folder / "rows.tsv").write_text("\n".join(line.replace(",", "\t") for line in lines))
    other = load(PLAIN.replace("rows.csv", "rows.tsv") + "\nlicense: CC0")
    assert other.fingerprint == plain.fingerprint
    assert load(PLAIN + "\nlabels: [b, a]").fingerprint != plain.fingerprint
    assert load(PLAIN + "\nsplits: {seed: 1}").fingerprint != plain.fingerprint


def test_numbers_are_positions_in_the_list_or_keys_of_the_mapping(load: Load) -> None:
    rows = ["text,label", *(f"t{n},{n % 2}" for n in range(40))]
    listed, mapped = load(PLAIN + "\nlabels: [low, high]", rows), load(PLAIN + "\nlabels: {1: high, 0: low}", rows)
    assert listed.labels == ("low", "high")
    assert mapped.labels == ("high", "low")
    for task in (listed, mapped):
        named = {row["id"]: task.labels[row["label"]] for rows in task.splits.values() for row in rows}
        assert named == {f"data-{n}": ("low", "high")[n % 2] for n in range(40)}


def test_two_values_may_share_a_name(load: Load) -> None:
    rows = ["text,label", *(f"t{n},{n % 4}" for n in range(40))]
    task = load(PLAIN + "\nlabels: {0: low, 1: low, 2: high, 3: high}", rows)
    assert task.labels == ("low", "high")


def test_discovered_numbers_are_sorted_by_size(load: Load) -> None:
    rows = ["text,label", *(f"t{n},{(2, 10)[n % 2]}" for n in range(40))]
    assert load(PLAIN, rows).labels == ("2", "10")


def test_where_other_labels_and_joined_columns(load: Load) -> None:
    rows = ["title,body,kind,keep", *(f"T{n},B{n},{'abc'[n % 3]},{n % 5 != 0}" for n in range(90))]
    text = f"{FILES}\ncolumns: {{text: [title, body], label: kind}}\nwhere: {{keep: true}}"
    task = load(f"{text}\nlabels: [a, b]\nother_labels: drop", rows)
    assert sum(len(part) for part in task.splits.values()) == 48
    assert task.splits["train"][0]["text"].startswith("T")
    assert " B" in task.splits["train"][0]["text"]
    with pytest.raises(DataError, match="no row of split 'data' has 'keep' = maybe") as error:
        load(text.replace("true", "maybe"), rows)
    assert "Most frequent values: 'True' (72), 'False' (18)" in str(error.value)


DATED = [f"t{n},{'ab'[n // 12 % 2]},2016-{1 + n % 12:02d}-03,{n % 12}" for n in range(120)]


@pytest.mark.parametrize(
    ("bounds", "months"),
    [
        ('sent: {at_least: "2016-03", below: "2016-06"}', 3),
        ('sent: {below: "2016-02-01"}', 1),
        ("number: {at_least: 9}", 3),
        ("number: {at_least: 2, below: 10}", 8),
    ],
)
def test_where_takes_bounds_of_texts_and_of_numbers(load: Load, bounds: str, months: int) -> None:
    task = load(f"{PLAIN}\nwhere: {{{bounds}}}", ["text,label,sent,number", *DATED])
    assert sum(len(part) for part in task.splits.values()) == 10 * months


@pytest.mark.parametrize("bounds", ['{at_least: "2016-04"}', '{below: "2016-07"}'])
@pytest.mark.parametrize("nothing", ["", "  ", None])
def test_a_row_without_a_value_lies_between_no_bounds(folder: Path, load: Load, bounds: str, nothing: object) -> None:
    """As text, a missing value would be ``None`` or ``nan``, which come after every date."""
    rows = [{"text": f"t{n}", "label": "ab"[n % 2], "sent": nothing if n % 3 else "2016-05-01"} for n in range(120)]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    condition = f"columns: {{text: text}}\nwhere: {{sent: {bounds}}}"
    assert sum(map(len, load(f"files: {{data: rows.jsonl}}\n{condition}").splits.values())) == 40
    if isinstance(nothing, str):
        lines = ["text,label,sent", *(f"{row['text']},{row['label']},{row['sent']}" for row in rows)]
        assert sum(map(len, load(f"files: {{data: rows.csv}}\n{condition}", lines).splits.values())) == 40


def test_bounds_of_numbers_read_the_decimal_sign_of_the_file(load: Load) -> None:
    values = ("1,5", "2", "3,5", "1.000,0", "0,5", "none")  # four of them at least 1
    rows = ["text;label;price", *(f"t{n};{'ab'[n // 6 % 2]};{values[n % 6]}" for n in range(120))]
    given = "files: {data: rows.csv, delimiter: ';', decimal: ','}\ncolumns: {text: text}"
    assert sum(map(len, load(f"{given}\nwhere: {{price: {{at_least: 1}}}}", rows).splits.values())) == 80
    assert sum(map(len, load(f"{given}\nwhere: {{price: {{at_least: 1.5, below: 3.5}}}}", rows).splits.values())) == 40


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ("{}", "give `at_least`, `below`, or both"),
        ('{at_least: 1, below: "2"}', "one bound is a number and the other a text"),
        ("{at_least: 5, below: 5}", "`at_least` has to be smaller than `below`"),
        ('{at_least: "2017"}', "no row of split 'data' has 'sent' at least 2017"),
    ],
)
def test_bounds_that_hold_nothing(load: Load, bounds: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        load(f"{PLAIN}\nwhere: {{sent: {bounds}}}", ["text,label,sent,number", *DATED])


def test_rows_without_a_text_are_dropped_and_told(load: Load) -> None:
    rows = ["premise,hypothesis,label", "  ,x,a", "x,,b", *(f"p{n},h{n},{'ab'[n % 2]}" for n in range(40))]
    task = load(f"{FILES}\ncolumns: {{text: premise, text_pair: hypothesis}}", rows)
    assert task.splits["train"].column_names == ["id", "text", "text_pair", "label"]
    assert task.origin == "files rows.csv (2 rows without a text left out)"
    assert sum(len(part) for part in task.splits.values()) == 40


def test_given_splits_are_left_as_they_are(folder: Path, load: Load) -> None:
    (folder / "dev.csv").write_text("text,label\nsame,a\nsame,b\n")
    files = "files: {train: rows.csv, validation: dev.csv, test: dev.csv}"
    task = load(f"{files}\ncolumns: {{text: text}}")
    assert {split: len(rows) for split, rows in task.splits.items()} == {"train": 40, "validation": 2, "test": 2}
    renamed = load(f"{files}\ncolumns: {{text: text}}\nsplits: {{test: validation, validation: 6}}")
    assert {split: len(rows) for split, rows in renamed.splits.items()} == {"train": 34, "validation": 6, "test": 2}


@pytest.mark.parametrize(
    "splits", ["test: validation", "validation: validation, test: validation", "train: validation, test: 6"]
)
def test_a_split_of_the_source_is_one_split(splits: str, folder: Path, load: Load) -> None:
    (folder / "dev.csv").write_text("text,label\nsame,a\nsame,b\n")
    text = f"files: {{train: rows.csv, validation: dev.csv}}\ncolumns: {{text: text}}\nsplits: {{{splits}}}"
    with pytest.raises(DataError, match=naming("are both the source's 'validation'", "mine.yaml, line 4", "0.1")):
        load(text)


def test_of_equal_texts_one_is_kept_in_the_last_split_that_has_it(folder: Path, load: Load) -> None:
    tables = {
        "train": ["x,a", "X ,b", "y,a", "z,b", "only,b", "other,c"],
        "dev": ["y,a", "z,b", "v,a"],
        "exam": ["z,b", " Z,a", "OTHER,a", "w,a"],
    }
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(["text,label", *lines]))
    files = "files: {train: train.csv, validation: dev.csv, test: exam.csv}"
    text = f"{files}\ncolumns: {{text: text}}\nlabels: [a, b]\nother_labels: drop"
    kept = load(f"{text}\non_duplicate: drop")
    assert {split: rows["text"][:] for split, rows in kept.splits.items()} == {
        "train": ["x", "only"],
        "validation": ["y", "v"],
        "test": ["z", "OTHER", "w"],  # its other row is a training text of a label that is not taken
    }
    assert kept.origin.endswith("(6 rows left out whose text another row of the source has)")
    assert [len(rows) for rows in load(text).splits.values()] == [5, 3, 4]


def test_ranges_of_numbers_are_classes_and_what_lies_between_is_left_out(load: Load) -> None:
    rows = ["text,label", *(f"t{n},{n / 10}" for n in range(41))]
    task = load(f"{PLAIN}\nranges: {{high: [3, 4], low: [0, 1.9]}}", rows)
    labels = {row["id"]: task.labels[row["label"]] for part in task.splits.values() for row in part}
    wanted = {f"data-{n}": "low" if n <= 19 else "high" for n in range(41) if n <= 19 or n >= 30}
    assert (task.labels, labels) == (("high", "low"), wanted)
    with pytest.raises(DataError, match="hold no number"):
        load(f"{PLAIN}\nranges: {{high: [3, 4], low: [0, 1.9]}}", [*rows, "x,much"])


A = [f"t{n},a" for n in range(20)]


@pytest.mark.parametrize(
    ("text", "rows", "parts"),
    [
        (f"{FILES}\ncolumns:\n  text: txt", None, ["mine.yaml, line 4", "no column 'txt'", "Did you mean text"]),
        (f"{FILES}\ncolumns: {{text: text, label: team}}", None, ["no column 'team'", "Available: label, text"]),
        (f"{PLAIN}\nwhere: {{lang: en}}", None, ["line 4", "no column 'lang'"]),
        (f"{PLAIN}\nlabels: [a, c]", None, ["line 4", "'b' (20 rows)", "text number 1", "Known labels: a, c"]),
        (f"{PLAIN}\nlabels: [a, b, c]", None, ["example of c", "a 14, b 14"]),
        (PLAIN, ["text,label", *A], ["1 distinct values", "Name another column"]),
        (PLAIN, ["text,label", *(f"t{n},{n}" for n in range(40))], ["40 distinct values"]),
        (PLAIN, ["text,label", *A, "x,", "y,b"], ["1 of 22 rows of split 'data' have no label (rows data-20)"]),
        (PLAIN, ["text,label", "x,a", "y,b"], ["split 'validation' is empty", "train 2"]),
        (PLAIN.replace("text}", "text, id: n}"), ["n,text,label", *(f"1,{a}" for a in A), "2,x,b"], ["ids are not"]),
        (f"{PLAIN}\nsplits: {{test: 39}}", None, ["line 4: cannot cut test 39, validation 4 from 40 rows"]),
        (f"{PLAIN}\nsplits: {{test: exam}}", None, ["line 4", "no split 'exam'", "Available: data"]),
    ],
)
def test_data_that_do_not_fit(load: Load, text: str, rows: list[str] | None, parts: list[str]) -> None:
    with pytest.raises(DataError) as error:
        load(text, rows)
    for part in parts:
        assert part in str(error.value)
    assert "mine.yaml" in str(error.value)


def test_texts_that_are_not_text_and_labels_that_are_fractions(folder: Path, load: Load) -> None:
    (folder / "rows.jsonl").write_text("\n".join(f'{{"text": {n}, "label": {n / 2}}}' for n in range(4)))
    with pytest.raises(DataError, match=r"holds 0 .int64., not text"):
        load(PLAIN.replace("csv", "jsonl"))
    (folder / "rows.jsonl").write_text("\n".join(f'{{"text": "{n}", "label": {n / 2}}}' for n in range(4)))
    with pytest.raises(DataError, match="holds fractions"):
        load(PLAIN.replace("csv", "jsonl"))
    (folder / "rows.jsonl").write_text("\n".join(f'{{"text": "{n}", "label": ["a", "b"]}}' for n in range(4)))
    with pytest.raises(DataError, match="several values in one row"):
        load(PLAIN.replace("csv", "jsonl"))


def test_an_unknown_source_task_is_suggested(folder: Path, load: Load) -> None:
    load(PLAIN)
    with pytest.raises(UnknownNameError, match="mine"):
        registry.find("min", [folder])


def test_missing_cells_of_json_lines(folder: Path, load: Load) -> None:
    lines: list[Any] = [f'{{"text": "t{n}", "label": {n % 2}}}' for n in range(20)]
    (folder / "rows.jsonl").write_text("\n".join([*lines, '{"label": 1}', '{"text": null, "label": 0}']))
    task = load(PLAIN.replace("csv", "jsonl"))
    assert "2 rows without a text" in task.origin
    (folder / "rows.jsonl").write_text("\n".join([*lines, '{"text": "x"}']))
    with pytest.raises(DataError, match="1 of 21 rows"):
        load(PLAIN.replace("csv", "jsonl"))
