"""A person's table as examples of a task: read as the task's own file is read, with every row accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adapter_workbench.tasks.loading.labelled_table import LabelledRows, labelled_rows, names_of
from adapter_workbench.tasks.rows import normalise
from adapter_workbench.tasks.rows.table_form import NamedColumns, text_form
from adapter_workbench.tasks.task_file.spec import TaskSpec
from adapter_workbench.tasks.task_file.task_file import TaskFile
from adapter_workbench.workbench.adapters.manifest import TaskReference
from adapter_workbench.workbench.errors import DataError, InputError
from adapter_workbench.workbench.settings.base import Document, Settings


def task(kind: str = "classification", labels: tuple[str, ...] = ("ham", "spam"), **more: Any) -> TaskReference:
    return TaskReference(name="mails", kind=kind, labels=labels, fingerprint="f", origin="made", **more)


def file(kind: str = "classification", **more: Any) -> TaskFile:
    return TaskFile.model_validate({"description": "made in tests", "kind": kind, **more})


def read(known: TaskReference, task_file: TaskFile | None, columns: dict[str, list[Any]], **named: str) -> LabelledRows:
    return labelled_rows(known, task_file, pd.DataFrame(columns, dtype=object), NamedColumns(**named), "mails.csv")


@pytest.mark.parametrize("prompt", [None, "Title: {title} Body: {body} Answer:"])
def test_a_text_of_several_columns_is_that_of_the_task(prompt: str | None) -> None:
    task_file = file(
        "causal-lm", columns={"text": ["title", "body"], "answer": "reply"}, **({"prompt": prompt} if prompt else {})
    )
    frame = pd.DataFrame({"title": ["a", "", " b", "c"], "body": ["d ", " ", "", "e"], "reply": ["x"] * 4})
    spec = TaskSpec("mails", task_file, "files", Settings(), Document({}, "mails.yaml"), Path())
    expected = normalise.rows_of(spec, "data", frame).frame["text"].tolist()
    form = text_form(task_file, list(frame.columns), NamedColumns(), "mails.csv")
    texts = [form.text_of(row) for row in frame.to_dict("records")]
    assert [text for text in texts if text is not None] == expected
    assert texts[1] is None
    rows = read(task("causal-lm", (), metric="exact-match", max_new_tokens=4), task_file, frame.to_dict("list"))
    assert rows.rows["text"][:] == expected
    assert (rows.row_numbers, rows.left_out.without_text) == ((0, 2, 3), 1)
    assert rows.rows["max_new_tokens"][:] == [4, 4, 4]


def test_another_column_takes_the_place_of_the_only_one_of_a_prompt() -> None:
    task_file = file("causal-lm", columns={"text": "body", "answer": "reply"}, prompt="Q: {body} A:")
    form = text_form(task_file, ["mail", "reply"], NamedColumns(text="mail"), "mails.csv")
    assert form.text_of({"mail": "who?"}) == "Q: who? A:"


def test_columns_are_those_of_the_person_then_of_the_task_then_the_usual_ones() -> None:
    task_file = file(columns={"text": "body", "label": "class"})
    body = {"body": ["x"], "text": ["y"], "class": ["ham"], "label": ["spam"]}
    assert read(task(), task_file, body).rows[0] == {"id": "file-0", "text": "x", "label": 0}
    assert read(task(), None, body).rows[0] == {"id": "file-0", "text": "y", "label": 1}
    assert read(task(), task_file, body, text="text", label="label").rows[0]["label"] == 1
    without = {name: values for name, values in body.items() if name != "body"}
    assert read(task(), task_file, without).rows[0]["text"] == "y"
    with pytest.raises(InputError, match="no column 'class'"):
        read(task(), task_file, {"body": ["x"], "label": ["ham"]})


def test_every_row_is_counted() -> None:
    columns = {
        "text": ["a", " ", "c", "d", "e", "f", None],
        "label": ["ham", "ham", None, "eggs", "eggs", "jam", "ham"],
    }
    rows = read(task(), None, columns)
    assert (rows.total, rows.row_numbers) == (7, (0,))
    left_out = rows.left_out
    assert (left_out.without_text, left_out.without_label, left_out.unknown_label) == (2, 1, 3)
    assert left_out.unknown_labels == (("eggs", 2), ("jam", 1))
    assert left_out.rows + len(rows.rows) == rows.total
    assert left_out.reasons == [
        "2 without a text",
        "1 without a label",
        "3 with a label that the task does not have ('eggs' 2, 'jam' 1)",
    ]


def test_raw_labels_mean_what_they_mean_in_the_task_file() -> None:
    known = task()
    named = file(columns={"text": "text"}, labels={"0": "ham", "1": "spam"})
    assert names_of(known, named, ["0"]) == {"0": "ham", "1": "spam", "ham": "ham", "spam": "spam"}
    crossed = file(columns={"text": "text"}, labels={"ham": "spam", "spam": "ham"})
    assert names_of(known, crossed, ["ham"]) == {"ham": "spam", "spam": "ham"}, "as when the task is loaded"
    listed = file(columns={"text": "text"}, labels=["ham", "spam"])
    assert names_of(known, listed, ["0", "1"]) == {"0": "ham", "1": "spam"}, "places in the list"
    assert names_of(known, listed, ["ham", "1"]) == {"ham": "ham", "spam": "spam"}
    assert names_of(known, None, ["0"]) == {"ham": "ham", "spam": "spam"}
    ranges = file(columns={"text": "text"}, ranges={"ham": [0, 2], "spam": [4, 5]})
    rows = read(known, ranges, {"text": ["a", "b", "c"], "label": ["1", "3", "4.5"]})
    assert rows.rows["label"][:] == [0, 1]
    assert rows.left_out.unknown_labels == (("a number in no range", 1),)


def test_sets_and_tags_are_read_as_the_task_reads_them() -> None:
    sets = task("multilabel", ("art", "war"))
    assert read(sets, None, {"text": ["a", "b"], "labels": ["war, art", ""]}).rows["labels"][:] == [[0, 1], []]
    columns = file("multilabel", columns={"text": "text", "label": ["war", "art"]})
    rows = read(sets, columns, {"text": ["a", "b"], "war": ["1", "0"], "art": ["yes", "no"]})
    assert rows.rows["labels"][:] == [[0, 1], []]
    assert read(sets, None, {"text": ["a", "b"], "labels": [["war"], ["war", "tea"]]}).left_out.unknown_labels == (
        ("tea", 1),
    )
    with pytest.raises(InputError, match="2 without a label"):
        read(sets, None, {"text": ["a", "b"], "labels": ["", ""]})
    tags = task("token-classification", ("O", "B-PER"))
    rows = read(tags, None, {"text": ["Ada works", "no one"], "tags": ["B-PER O", "O O-O"]})
    assert (rows.rows["tags"][:], rows.left_out.unknown_label) == ([[1, 0]], 1)
    with pytest.raises(DataError, match="one tag for each word"):
        read(tags, None, {"text": ["Ada works"], "tags": ["O"]})


def test_numbers_have_the_scale_of_the_training() -> None:
    rows = read(task("regression", (), scale=(2.0, 0.5)), None, {"text": ["a", "b"], "value": ["1.5", None]})
    assert rows.rows[0] == {"id": "file-0", "text": "a", "value": 1.5, "centre": 2.0, "spread": 0.5}
    assert rows.left_out.reasons == ["1 without a number"]


def test_pairs_need_both_columns() -> None:
    pair = task(pair=True)
    with pytest.raises(InputError, match="answers for pairs"):
        read(pair, None, {"text": ["a"], "label": ["ham"]})
    task_file = file(columns={"text": "text", "text_pair": "other"})
    assert read(pair, task_file, {"text": ["a"], "other": ["b"], "label": ["ham"]}).rows[0]["text_pair"] == "b"
    with pytest.raises(InputError, match="answers for single texts"):
        read(task(), None, {"text": ["a"], "other": ["b"], "label": ["ham"]}, pair="other")
