"""What a task file says of delimiter, decimal sign, header and encoding holds for the files that come later."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.reading.dialect import Dialect
from adapter_workbench.tasks.reading.known_dialect import KnownDialect
from adapter_workbench.tasks.rows.row_files import FileRows
from adapter_workbench.tasks.updating.update import UpdateRequest, update
from adapter_workbench.workbench.methods.task import SPLITS, Task
from tests.conftest import Call

Load = Callable[..., Task]
COLUMNS = "columns: {text: text}"


def known_of(folder: Path) -> KnownDialect | None:
    """Return what the file of the task `mine` says."""
    return registry.find("mine", [folder]).known_dialect


def texts_of(name: str, folder: Path) -> set[str]:
    """Return all texts of a task."""
    task = registry.load(registry.find(name, [folder]))
    return {text for split in SPLITS for text in task.splits[split]["text"]}


def test_a_decimal_point_that_was_chosen_is_not_guessed_again(folder: Path, load: Load) -> None:
    """Three digits after a point look like thousands beside a column with decimal commas."""
    rows = ["text;price;label", *(f"t{n};{n}.125;{n},5" for n in range(10, 60))]
    load("kind: regression\nfiles: {data: rows.csv, delimiter: ;}\ncolumns: {text: text, label: price}", rows)
    (other := folder / "other.csv").write_text("\n".join(rows))
    expected = ["text", "price"]
    assert FileRows(other, expected).dialect == Dialect(";", decimal=",")
    assert FileRows(other, expected, known_of(folder)).dialect == Dialect(";")


@pytest.mark.parametrize("header", [True, False])
def test_updates_are_read_with_the_delimiter_of_the_task(folder: Path, call: Call, header: bool) -> None:
    """The first file after `tasks new`, and one that comes to a version; a usual file is told by its header."""

    def write(name: str, first: int, delimiter: str = "^") -> str:
        lines = [f"text, number {n}{delimiter}{'ab'[n % 2]}" for n in range(first, first + 40)]
        path = folder.parent / name
        path.write_text("\n".join([f"text{delimiter}label"] * header + lines))
        return str(path)

    options = ["--delimiter", "^", *([] if header else ["--no-header"])]
    code, _, err = call("tasks", "new", "mine", "--from", write("first.csv", 0), *options, "--tasks", str(folder))
    assert code == 0, err
    for number, name in enumerate(("second.csv", "third.csv"), start=1):
        origin = write(name, 100 * number)
        assert update("mine", [folder], folder, UpdateRequest(origin)).number == number + 1
        assert f"text, number {100 * number}" in texts_of("mine", folder)
    assert known_of(folder) == KnownDialect("csv", Dialect("^", header=header))
    if header:
        update("mine", [folder], folder, UpdateRequest(write("usual.csv", 300, "\t")))
        assert "text, number 300" in texts_of("mine", folder)


def test_a_sheet_without_a_header_is_read_without_one(folder: Path, load: Load) -> None:
    frame = pd.DataFrame([(f"text {n}", "ab"[n % 2]) for n in range(40)])
    frame.to_excel(folder / "rows.xlsx", header=False, index=False)
    load("files: {data: rows.xlsx, header: false}\ncolumns: {text: column_1, label: column_2}")
    expected = ["column_1", "column_2"]
    rows = FileRows(folder / "rows.xlsx", expected, known_of(folder))
    assert (rows.columns, rows.count) == (("column_1", "column_2"), 40)
    frame.to_excel(folder / "named.xlsx", header=expected, index=False)
    assert FileRows(folder / "named.xlsx", expected, known_of(folder)).count == 40


def test_lines_of_json_in_another_encoding_are_read_as_the_task_says(folder: Path, load: Load) -> None:
    lines = [json.dumps({"text": f"caf\xe9 {n}", "label": "ab"[n % 2]}, ensure_ascii=False) for n in range(40)]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="latin-1")
    load(f"files: {{data: rows.jsonl, encoding: latin-1}}\n{COLUMNS}")
    rows = FileRows(folder / "rows.jsonl", ["text"], known_of(folder))
    assert next(iter(rows))["text"] == "caf\xe9 0"
    (folder / "utf.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert next(iter(FileRows(folder / "utf.jsonl", ["text"], known_of(folder))))["text"] == "caf\xe9 0"
    (folder / "more.jsonl").write_text(lines[0].replace("caf\xe9", "\xe9t\xe9"), encoding="latin-1")
    update("mine", [folder], folder, UpdateRequest(str(folder / "more.jsonl")))
    assert "\xe9t\xe9 0" in texts_of("mine", folder)


def test_folders_of_texts_have_the_encoding_of_the_task(folder: Path, load: Load) -> None:
    """A lone letter does not tell that it is Polish."""

    def write(name: str, numbers: range) -> str:
        for n in numbers:
            (path := folder / name / "ab"[n % 2]).mkdir(parents=True, exist_ok=True)
            (path / f"{n}.txt").write_text(f"\u0142 {n}", encoding="iso8859_2")
        return str(folder / name)

    write("first", range(40))
    load("files: {data: first, encoding: iso8859_2}\ncolumns: {text: text, label: label}")
    update("mine", [folder], folder, UpdateRequest(write("second", range(100, 140))))
    assert {f"\u0142 {n}" for n in (0, 100, 139)} <= texts_of("mine", folder)


@pytest.mark.parametrize(
    ("own", "lines", "expected"),
    [
        (Dialect(";"), ["text,label", "a;b,x"], Dialect()),
        (Dialect(";", header=False), ["a good film,x", "a bad film,y"] * 9, Dialect(header=False)),
        (Dialect(";", header=False), ["column_1;column_2", "a;x"], Dialect(";")),
        (Dialect("^", encoding="latin-1"), ["text^label", "caf\xe9^x"], Dialect("^")),
    ],
)
def test_a_file_that_is_written_otherwise_is_told_by_its_content(
    tmp_path: Path, own: Dialect, lines: Sequence[str], expected: Dialect
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    columns = ["text", "label"] if own.header else ["column_1", "column_2"]
    assert FileRows(path, columns, KnownDialect("csv", own)).dialect == expected


def test_bounds_hold_in_each_version_whatever_its_decimal_sign(folder: Path, load: Load) -> None:
    rows = ["text;label;price", *(f"t{n};{'ab'[n % 2]};{n},5" for n in range(80))]
    given = "files: {data: rows.csv, delimiter: ;, decimal: ','}"
    load(f"{given}\n{COLUMNS}\nwhere: {{price: {{at_least: 20.5}}}}", rows)
    for name, lines in (
        ("comma.csv", ["text;label;price", "new one;a;20,5", "no one;a;20,4"]),
        ("point.tsv", ["text\tlabel\tprice", "new two\ta\t20.5", "no two\ta\t20.4"]),
    ):
        (folder / name).write_text("\n".join(lines))
        update("mine", [folder], folder, UpdateRequest(str(folder / name)))
    assert texts_of("mine", folder) == {f"t{n}" for n in range(20, 80)} | {"new one", "new two"}
    assert texts_of("mine@1", folder) == {f"t{n}" for n in range(20, 80)}
