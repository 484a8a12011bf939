"""Task files of the kinds whose answer is not one label: sets, tags and numbers, as they come out of a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from adapter_workbench.tasks.drafting.draft import draft, write
from adapter_workbench.tasks.drafting.found_data import data_at
from adapter_workbench.tasks.drafting.guess import GivenColumns
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.rows.normalise import frame_of
from adapter_workbench.workbench.errors import DataError, SettingsError
from adapter_workbench.workbench.methods.task import Task
from tests.messages import naming

HEAD = "kind: {}\nfiles: {{data: rows.csv}}\ncolumns: {{text: text, label: {}}}\n"
Load = Callable[..., Task]


def write_lines(path: Path, rows: Sequence[dict[str, object]]) -> None:
    path.write_text("\n".join(map(json.dumps, rows)))


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


def test_labels_of_a_list_are_as_clean_as_those_of_a_string(folder: Path, load: Load) -> None:
    file = HEAD.format("multilabel", "topics").replace("csv", "jsonl")
    sets = [["war ", "art"], [""], ["art", None], None, [" art", "art"], ["war"]] * 8
    write_lines(folder / "rows.jsonl", [{"text": f"t{i}", "topics": topics} for i, topics in enumerate(sets)])
    task = load(file)
    assert task.labels == ("art", "war")
    assert [by_text(task, "labels")[f"t{i}"] for i in range(6)] == [[0, 1], [], [0], [], [0], [1]]
    write(draft("drafted", data_at(str(folder / "rows.jsonl"), folder), GivenColumns(label=("topics",))), folder)
    assert registry.load(registry.find("drafted", [folder])).labels == ("art", "war")
    write_lines(folder / "rows.jsonl", [{"text": f"t{i}", "topics": [("war ", "art")[i % 2]]} for i in range(40)])
    assert load(f"{file}labels: ['war ', art]").labels == ("war ", "art"), "a label that is declared so"


def test_nullable_columns_of_labels(folder: Path, load: Load) -> None:
    file = "kind: multilabel\nfiles: {data: rows.parquet}\ncolumns: {text: text, label: [art, war]}\n"
    values = [None, *(i % 2 for i in range(39))]
    columns = {"art": pd.array(values, dtype="Int64"), "war": pd.array(values, dtype="boolean")}
    pd.DataFrame({"text": [f"t{i}" for i in range(40)], **columns}).to_parquet(folder / "rows.parquet")
    labels = by_text(load(file), "labels")
    assert (labels["t0"], labels["t1"], labels["t2"]) == ([], [], [0, 1])


def test_values_that_are_all_the_same_are_refused_whatever_their_sum_rounds_to(load: Load) -> None:
    with pytest.raises(DataError, match=r"have the value 0\.1"):
        load(HEAD.format("regression", "stars"), ["text,stars", *(f"t{i},0.1" for i in range(40))])


def test_a_number_comes_with_the_scale_of_the_training_values(load: Load) -> None:
    task = load(HEAD.format("regression", "stars"), ["text,stars", *(f"t{i},{i / 4}" for i in range(40))])
    values = task.splits["train"].to_pandas()["value"]
    assert task.scale == pytest.approx((values.mean(), values.std(ddof=0)))
    assert by_text(task, "value")["t7"] == 1.75


def test_each_word_has_its_tag(load: Load) -> None:
    file = HEAD.format("token-classification", "tags")
    task = load(file, ["text,tags", *(f"cat {i},B-A O" for i in range(40))])
    assert (task.labels, by_text(task, "tags")["cat 3"]) == (("B-A", "O"), [0, 1])
    with pytest.raises(DataError, match=naming("row data-0", "2 words and 1 tags")):
        load(file, ["text,tags", "cat sat,O", "dog,O"])


def test_words_may_be_numbers_and_every_word_and_tag_is_there(folder: Path, load: Load) -> None:
    file = HEAD.format("token-classification", "tags").replace("csv", "jsonl")
    rows: list[dict[str, object]] = [{"text": ["cat", i, 0.5], "tags": ["B-A", "O", "O"]} for i in range(40)]
    write_lines(folder / "rows.jsonl", rows)
    assert by_text(load(file), "tags")["cat 3 0.5"] == [0, 1, 1]
    for words, tags, counts in (
        (["cat", None], ["O", "O"], "1 words and 2 tags"),
        (["cat"], None, "1 words and 0 tags"),
        (["cat", "sat"], ["O", None], "2 words and 1 tags"),
    ):
        write_lines(folder / "rows.jsonl", [*rows, {"text": words, "tags": tags}])
        with pytest.raises(DataError, match=f"row data-40 has {counts}"):
            load(file)


def test_numbers_of_no_class_are_missing_values() -> None:
    names = ClassLabel(names=["a", "b"])
    features = Features({"sets": List(names), "label": names, "id": Value("int64")})
    large = 2**53 + 1  # the first whole number that is no float
    columns = {"sets": [[0, -1], None, [1]], "label": [1, -1, 0], "id": [large, None, 1]}
    frame = frame_of(Dataset.from_dict(columns, features=features))
    assert frame["sets"].tolist() == [["a", None], None, ["b"]]
    assert frame["label"].isna().tolist() == [False, True, False]
    assert (frame["id"][0], frame["id"].isna().tolist()) == (large, [False, True, False])


def test_what_does_not_fit_is_said(load: Load) -> None:
    with pytest.raises(DataError, match="hold no number"):
        load(HEAD.format("regression", "stars"), ["text,stars", "a,many", "b,2"])
    with pytest.raises(SettingsError, match="belong to `kind: multilabel`"):
        load(HEAD.format("regression", "[a, b]"), ["text,a,b", "a,1,2"])


@pytest.mark.parametrize("settings", ["kind: regression", "ranges: {low: [0, 1.5], high: [1.75, 9]}"])
def test_decimals_of_a_parquet_file_are_numbers(settings: str, folder: Path, load: Load) -> None:
    values = [Decimal(n) / 4 for n in range(36)]
    pd.DataFrame({"text": [f"t{n}" for n in range(36)], "value": values}).to_parquet(folder / "rows.parquet")
    columns = "columns: {text: text, label: value}\nwhere: {value: {at_least: 0.5}}"
    task = load(f"{settings}\nfiles: {{data: rows.parquet}}\n{columns}")
    if settings.startswith("kind"):
        assert by_text(task, "value") == {f"t{n}": n / 4 for n in range(2, 36)}
    else:
        assert by_text(task, "label") == {f"t{n}": int(n > 6) for n in range(2, 36)}
