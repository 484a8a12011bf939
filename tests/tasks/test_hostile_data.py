"""Files that are no data, or not what they say: one message each, at once, and nothing is written."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapter_workbench.tasks.drafting.draft import draft, write
from adapter_workbench.tasks.drafting.found_data import data_at
from adapter_workbench.tasks.drafting.guess import GivenColumns
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.reading import formats, text_files
from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.tasks.reading.table_size import filled_enough
from adapter_workbench.workbench.errors import DataError, InputError
from adapter_workbench.workbench.methods.task import SPLITS, Task
from tests.conftest import Call
from tests.messages import lacks, naming

LINES = "text,label\n" + "".join(f"text number {n},{'ab'[n % 2]}\n" for n in range(40))
JSON = [json.dumps({"text": f"text {n}", "label": "ab"[n % 2]}) for n in range(40)]
Load = Callable[..., Task]


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def linked(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


def file(name: str, content: bytes | str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def twice(path: Path) -> Path:
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, path)
    return path


def bomb(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"x")
        archive.filelist[0].file_size = 1 << 40
    return path


def texts(folder: Path, label: str = "a") -> Path:
    """A folder of texts with the labels ``label`` and b."""
    for n in range(40):
        path = folder / (label, "b")[n % 2] / f"{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text {n}")
    return folder


def with_link(folder: Path, link: str, target: Path | str) -> Path:
    (texts(folder) / link).symlink_to(target)
    return folder


def split_that_is_a_link(folder: Path) -> Path:
    (folder / "splits").mkdir()
    (folder / "splits" / "train").symlink_to(texts(folder.parent / "elsewhere"))
    return folder / "splits"


def far_cell(path: Path, row: int, column: int) -> Path:
    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    for n in range(40):
        book.active.append([f"text {n}", "ab"[n % 2]])
    book.active.cell(row, column, "far")
    book.save(path)
    return path


NOT_UTF_8 = os.fsdecode(b"caf\xe9")
LINKS = "there are links in this folder"

HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing": (lambda folder: folder / "rows.csv", "no such file"),
    "/dev/null": (lambda folder: Path("/dev/null"), "a device or a pipe"),
    "/dev/zero": (lambda folder: Path("/dev/zero"), "a device or a pipe"),
    "a link to /dev/zero": (lambda folder: linked(folder / "rows.csv"), "a device or a pipe"),
    "a pipe": (lambda folder: fifo(folder / "rows.csv"), "a device or a pipe"),
    "a link to itself": (
        lambda folder: (folder / "rows.csv").symlink_to("rows.csv") or folder / "rows.csv",
        "rows.csv",
    ),
    "a long name": (lambda folder: folder / f"{'x' * 300}.csv", "name too long"),
    "a person nobody knows": (lambda folder: Path("~nobody-of-this-name/rows.csv"), "rows.csv"),
    "an empty file": (file("rows.csv", ""), "the file is empty"),
    "an empty jsonl": (file("rows.jsonl", "\n\n"), "the file is empty"),
    "a header only": (file("rows.csv", "text,label\n"), "it has no rows"),
    "blank lines": (file("rows.csv", "\n\n\n"), "the file is empty"),
    "NUL": (file("rows.csv", LINES.replace("number 7", "number \0")), "line 9: a NUL character"),
    "NUL in json": (file("rows.jsonl", "\n".join(JSON).replace("text 3", "\0")), "line 4: a NUL character"),
    "a picture": (file("rows.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "a NUL character"),
    "not UTF-8": (file("rows.jsonl", LINES.encode() + b"\xff\xfe\xfa"), "rows.jsonl"),
    "a lone surrogate": (
        file("rows.jsonl", '{"text": "\\ud800", "label": "a"}'),
        "line 1: half of a Unicode character",
    ),
    "deep json": (file("rows.jsonl", '{"text": ' + "[" * 100_000), "nested too deeply"),
    "a huge number": (
        file("rows.jsonl", '{"text": "a", "label": ' + "1" * 10_000 + "}"),
        "line 1: this JSON cannot be read",
    ),
    "no objects": (file("rows.jsonl", "[1]\n"), "line 1: expected one JSON object"),
    "a key twice": (
        file("rows.jsonl", '{"text": "a", "label": "x"}\n{"text": "a", "label": "x", "label": "y"}'),
        "line 2: the key 'label' is twice in one object",
    ),
    "more fields": (file("rows.csv", LINES.replace("7,", "7,,,,")), "line 9: 5 fields, but there are 2 columns"),
    "columns of one name": (file("rows.csv", LINES.replace("text,", "label,")), "several columns are called 'label'"),
    "columns of one name in parquet": (lambda folder: twice(folder / "rows.parquet"), "rows.parquet"),
    "no gzip": (file("rows.csv.gz", LINES), "rows.csv.gz: cannot be read"),
    "half a gzip": (file("rows.csv.gz", gzip.compress(os.urandom(5000))[:2000]), "rows.csv.gz: cannot be read"),
    "no bzip2": (file("rows.csv.bz2", LINES), "rows.csv.bz2: cannot be read"),
    "half a bzip2": (file("rows.csv.bz2", bz2.compress(os.urandom(5000))[:2000]), "rows.csv.bz2: cannot be read"),
    "no parquet": (file("rows.parquet", LINES), "rows.parquet: this file cannot be opened"),
    "no workbook": (file("rows.xlsx", LINES), "rows.xlsx: this workbook cannot be opened"),
    "another archive": (lambda folder: bomb(folder / "rows.xlsx"), "rows.xlsx"),
    "a label that leads out of a folder of texts": (
        lambda folder: with_link(folder / "texts", "zz", texts(folder.parent / "elsewhere").resolve()),
        f"zz: {LINKS}",
    ),
    "a text that leads out of its folder": (lambda folder: with_link(folder / "texts", "a/zz", "/etc/passwd"), LINKS),
    "a hidden link": (lambda folder: with_link(folder / "texts", "a/.zz", "/proc/kcore"), LINKS),
    "a split that leads out of its folder": (split_that_is_a_link, f"train: {LINKS}"),
    "a label that is not UTF-8": (
        lambda folder: texts(folder / "texts", NOT_UTF_8),
        "caf\\xe9 is not UTF-8, and its name becomes a label",
    ),
    "a folder that is not UTF-8": (
        lambda folder: texts(folder / NOT_UTF_8),
        "caf\\xe9 is not UTF-8, and a task file has to name it",
    ),
    "a cell in the last row and column": (
        lambda folder: far_cell(folder / "rows.xlsx", 1_048_576, 16_384),
        "row 1,048,576 of the first sheet: a row has 16,384 cells, but there are 2 columns",
    ),
    "a cell far to the right of the names": (
        lambda folder: far_cell(folder / "rows.xlsx", 1, 16_384),
        "the first row: there are 16,384 columns",
    ),
    "a hundred thousand columns": (
        file("rows.csv", f"{','.join(f'c{n}' for n in range(100_000))}\n{',' * 99_999}\n"),
        "line 1: there are 100,000 columns",
    ),
    "other keys in each row": (
        file("rows.jsonl", "\n".join(json.dumps({"text": "a", f"k{n}": 1}) for n in range(6_000))),
        "rows.jsonl: there are 6,001 columns",
    ),
    "a file without a suffix": (file("rows", LINES), "cannot tell the format"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_one_message_and_nothing_written(case: str, call: Call, folder: Path) -> None:
    make, expected = HOSTILE[case]
    path = make(folder)
    before = sorted(entry.name for entry in folder.iterdir())
    code, out, err = call("tasks", "new", "mine", "--from", str(path), "--tasks", str(folder))
    assert (code, out) == (2, "")
    assert expected in err
    assert len(err.splitlines()) < 10
    assert sorted(entry.name for entry in folder.iterdir()) == before
    if path.parent == folder and path.name.isascii():
        (folder / "mine.yaml").write_text(
            f"description: d\nfiles: {{data: {path.name}}}\ncolumns: {{text: text, label: label}}\n"
        )
        code, out, err = call("tasks", "check", "mine", "--tasks", str(folder))
        assert (code, out, "Traceback" in err) == (2, "", False)


@pytest.mark.parametrize("name", [f"a{'b' * 100}", "a/b", "a\nb", "../a", "a b", ""])
def test_names_that_are_no_file_names(name: str, call: Call, folder: Path) -> None:
    (folder / "rows.csv").write_text(LINES)
    code, out, err = call("tasks", "new", name, "--from", str(folder / "rows.csv"), "--tasks", str(folder))
    assert (code, out) == (2, "")
    assert "a task's name" in err
    assert len(err.splitlines()) == 2
    assert [entry.name for entry in folder.iterdir()] == ["rows.csv"]


def test_a_folder_that_cannot_be_written(call: Call, folder: Path) -> None:
    (folder / "rows.csv").write_text(LINES)
    for target in (folder / "rows.csv", folder / ("x" * 300)):
        code, _, err = call("tasks", "new", "mine", "--from", str(folder / "rows.csv"), "--tasks", str(target))
        assert code == 2
        assert len(err.splitlines()) <= 2
    assert [entry.name for entry in folder.iterdir()] == ["rows.csv"]


def test_a_name_of_a_file_is_no_part_of_the_task_file(call: Call, folder: Path) -> None:
    path = folder / "a\nlicense: forged\nb.csv"
    path.write_text(LINES)
    code, _, err = call("tasks", "new", "mine", "--from", str(path), "--tasks", str(folder))
    assert code == 0, err
    assert registry.find("mine", [folder]).file.license is None
    assert registry.load(registry.find("mine", [folder])).labels == ("a", "b")


@pytest.mark.parametrize(
    "names", [["text", " label"], ["\ufefftext", "label\xa0"], [" text", "label", "label "], ["", "label"]]
)
def test_names_of_columns_with_something_around_them(names: list[str], folder: Path) -> None:
    rows = [[f"text {n}", "ab"[n % 2], "xyz"[n % 3]][: len(names)] for n in range(40)]
    lines = "\n".join(",".join(row) for row in [names, *rows])
    (folder / "rows.csv").write_text(f"\ufeff{lines}\n", encoding="utf-8")
    made = draft("mine", data_at(str(folder / "rows.csv"), folder), GivenColumns())
    assert made.columns.label == (names[1],)
    write(made, folder)
    task = registry.load(registry.find("mine", [folder]))
    assert task.labels == ("a", "b")
    assert sum(len(task.splits[split]) for split in SPLITS) == 40


def test_huge_fields_come_in_whole(folder: Path) -> None:
    (folder / "rows.csv").write_text(LINES + f"{'x' * 3_000_000},a\n")
    frame = formats.read(folder / "rows.csv")
    assert (len(frame), frame["text"].str.len().max()) == (41, 3_000_000)


@pytest.mark.parametrize(
    "labels",
    [
        ["1", "0"],
        ["-1", "1"],
        ["²", "³"],
        ["٣", "٤"],
        ["1" * 5000, "2" * 5000],
        ["--5", "5"],
        ["-", "+"],
        ["1_0", "10"],
    ],
)
def test_labels_that_look_like_numbers(labels: list[str], folder: Path) -> None:
    path = folder / "rows.csv"
    path.write_text("text,label\n" + "".join(f"text {n},{labels[n % 2]}\n" for n in range(40)), encoding="utf-8")
    write(draft("mine", data_at(str(path), folder), GivenColumns(label=("label",))), folder)
    assert set(registry.load(registry.find("mine", [folder])).labels) == set(labels)
    (folder / "mine.yaml").write_text("description: d\nfiles: {data: rows.csv}\ncolumns: {text: text}\n")
    assert set(registry.load(registry.find("mine", [folder])).labels) == set(labels)


@pytest.mark.parametrize(
    ("file", "rows", "notes"),
    [
        ("", None, "1 of 42 rows of split 'data' have no label"),
        ("", LINES + " ,a\n", "1 rows without a text left out"),
        ("on_missing: error", LINES + " ,a\n", "1 of 41 rows of split 'data' have no text (rows data-40)"),
        ("on_missing: drop", None, "1 rows without a text left out; 1 rows without a label left out"),
    ],
)
def test_rows_without_a_label_or_a_text(file: str, rows: str | None, notes: str, load: Load) -> None:
    text = f"files: {{data: rows.csv}}\ncolumns: {{text: text}}\n{file}"
    lines = (rows or LINES + " ,a\nx,\n").splitlines()
    if "of" in notes.split()[:3]:
        with pytest.raises(DataError) as error:
            load(text, lines)
        assert notes.replace("42", "41") in str(error.value)
        assert "on_missing: drop" in str(error.value)
    else:
        task = load(text, lines)
        assert task.origin == f"files rows.csv ({notes})"
        assert sum(len(task.splits[split]) for split in SPLITS) == 40


@pytest.mark.parametrize(
    ("kind", "columns", "filled"),
    [
        ("regression", "text: text, label: y", "0.5"),
        ("causal-lm", "text: text, answer: y", "seven"),
        ("token-classification", "text: text, label: y", "O B-X"),
    ],
)
def test_on_missing_of_other_kinds(kind: str, columns: str, filled: str, load: Load) -> None:
    values = [filled if kind != "regression" else str(n / 2) for n in range(40)]
    values = [f"{'O B-X' if n % 2 else 'O O'}" for n in range(40)] if kind == "token-classification" else values
    lines = ["text,y", *(f"text {n},{value}" for n, value in enumerate(values)), "text x,", "text y, "]
    text = f"kind: {kind}\nfiles: {{data: rows.csv}}\ncolumns: {{{columns}}}\n"
    with pytest.raises(DataError, match="2 of 42 rows"):
        load(text, lines)
    assert "2 rows without a label" in load(f"{text}on_missing: drop", lines).origin


def workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["text", "label", "stars", "day"])
    for n in range(40):
        sheet.append([f"text {n}", "ab"[n % 2], n, pd.Timestamp("2026-01-02").to_pydatetime()])
    sheet.append([])
    sheet["A2"] = "=1+1"  # a formula whose value nobody has computed
    book.create_sheet("other").append(["not", "read"])
    book.save(path)


def test_a_workbook(folder: Path) -> None:
    workbook(folder / "rows.xlsx")
    frame = formats.read(folder / "rows.xlsx")
    assert frame.iloc[1].tolist() == ["text 1", "b", "1", "2026-01-02T00:00:00"]
    assert (len(frame), frame["text"][0]) == (40, "")
    data = data_at(str(folder / "rows.xlsx"), folder)
    assert data.read_as == "the first sheet, a header"
    write(draft("mine", data, GivenColumns()), folder)
    task = registry.load(registry.find("mine", [folder]))
    assert (task.labels, task.origin) == (("a", "b"), "files rows.xlsx (1 rows without a text left out)")


def test_cells_of_a_sheet_that_are_nearly_all_empty() -> None:
    looked_at: list[int] = []

    def rows() -> Iterator[tuple[str | None, ...]]:
        for number in range(1_000_000):  # as openpyxl gives them where each row has one cell in the last column
            looked_at.append(number)
            yield (*(None,) * 16_383, "x")

    with pytest.raises(DataError, match=r"row 3\d\d of the first sheet: .*3\d\d .*5,0"):
        list(filled_enough(rows(), "rows.xlsx"))
    assert len(looked_at) < 400
    full = (("text", None, None, "a"),) * 100
    assert [number for number, _ in filled_enough(full, "rows.xlsx")] == list(range(1, 101))


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_more_cells_than_fit_in_memory(suffix: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, frame = folder / f"rows.{suffix}", pd.DataFrame({"text": ["a"] * 400, "label": ["b"] * 400})
    frame.to_parquet(path) if suffix == "parquet" else frame.to_json(path, orient="records", lines=True)
    assert len(formats.read(path)) == 400
    monkeypatch.setattr("adapter_workbench.tasks.reading.table_size.MOST_CELLS", 799)
    with pytest.raises(DataError, match="there are 400 rows of 2 columns"):
        formats.read(path)


def test_folders_of_splits_of_folders_of_texts(folder: Path) -> None:
    for split in ("train", "test"):
        for n in range(20):
            path = folder.parent / "reviews" / split / ("pos", "neg")[n % 2] / f"{n}_10"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"ein schöner Text {n} {split}".encode("latin-1"))
    (folder.parent / "reviews" / "README").write_text("about")
    made = draft("mine", data_at(str(folder.parent / "reviews"), folder), GivenColumns())
    assert "encoding: cp1252" in made.text
    write(made, folder)
    task = registry.load(registry.find("mine", [folder]))
    assert {split: len(rows) for split, rows in task.splits.items()} == {"train": 18, "validation": 2, "test": 20}
    assert task.splits["test"]["text"][0].startswith("ein schöner Text")


def test_a_text_whose_name_is_not_utf_8(folder: Path) -> None:
    path = texts(folder / "texts")
    (path / "a" / NOT_UTF_8).write_text("one more")
    write(draft("mine", data_at(str(path), folder), GivenColumns()), folder)
    task = registry.load(registry.find("mine", [folder]))
    assert sum(len(task.splits[split]) for split in SPLITS) == 41
    assert formats.read(path)["file"].tolist()[-21] == "a/caf\\xe9"


def test_a_table_without_rows(folder: Path, load: Load) -> None:
    pq.write_table(pa.table({"text": pa.nulls(0), "label": pa.nulls(0)}), folder / "rows.parquet")
    with pytest.raises(InputError, match=naming("rows.parquet: ", "no rows")):
        load("files: {data: rows.parquet}\ncolumns: {text: text}")


def test_lists_where_numbers_are_expected(folder: Path, load: Load) -> None:
    (folder / "rows.jsonl").write_text("\n".join('{"text": "a", "label": [1]}' for _ in range(9)))
    with pytest.raises(InputError, match="9 of 9 rows of split 'data' hold no number"):
        load("kind: regression\nfiles: {data: rows.jsonl}\ncolumns: {text: text}")


def test_a_function_that_makes_half_of_a_character(folder: Path, load: Load) -> None:
    (folder / "made.py").write_text(
        'def rows():\n    return [{"text": "a\\ud800" + str(n), "label": n % 2} for n in range(40)]\n'
    )
    with pytest.raises(InputError, match=r"mine.yaml, line 2|surrogate"):
        load("python: {function: 'made:rows'}\ncolumns: {text: text}")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
@pytest.mark.parametrize(
    ("name", "format", "content"),
    [
        ("rows.csv", "csv", LINES),
        ("rows.tab", "orange-tab", f"text\tlabel\nstring\tdiscrete\n\tclass\n{LINES.replace(',', chr(9))}"),
        ("rows.jsonl", "jsonl", "\n".join(JSON)),
        ("rows.json", "json", f"[{','.join(JSON)}]"),
    ],
)
def test_a_small_file_that_unpacks_to_a_large_one_is_refused(
    pack: Callable[[bytes], bytes],
    name: str,
    format: formats.Format,  # noqa: A002 - the key's name
    content: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = folder / f"{name}.{'gz' if pack is gzip.compress else 'bz2'}"
    path.write_bytes(pack(content.encode()))
    monkeypatch.setattr(text_files, "MOST_BYTES", len(content))
    assert len(formats.read(path, format)) >= 40
    monkeypatch.setattr(text_files, "MOST_BYTES", len(content) - 1)
    reads: list[Callable[[], object]] = [lambda: formats.read(path, format)]
    if format != "json":
        reads.append(lambda: list(formats.rows(path, format, DialectSettings().dialect(format))))
    for read in reads:
        with pytest.raises(DataError, match=naming(str(path), "unpacks to more than", "GB", "unpack it")):
            read()


def test_what_runs_code_says_so(call: Call, folder: Path) -> None:
    (folder / "made.py").write_text(
        'def rows():\n    return [{"text": f"text {n}", "label": n % 2} for n in range(40)]\n'
    )
    (folder / "mine.yaml").write_text("description: d\npython: {function: 'made:rows'}\ncolumns: {text: text}\n")
    for command in ("show", "check"):
        code, out, err = call("tasks", command, "mine", "--tasks", str(folder), "--json")
        assert code == 0, err
        assert json.loads(out)
        assert lacks(err, "mine is code", "made:rows") == []


@pytest.mark.parametrize(
    "source",
    [
        'files: {data: "a\\0b.csv"}',
        f"files: {{data: {'x' * 300}.csv}}",
        "files: {data: ~nobody-of-this-name/rows.csv}",
        "files: {data: /dev/zero}",
        "files: {data: /dev/null, format: csv}",
        "files: {data: ., format: csv}",
        "files: {data: rows.csv, format: folders}",
        "files: {data: rows.csv, format: jsonl}",
        "files: {data: rows.csv, format: parquet}",
        "files: {data: rows.csv, format: xlsx}",
        "files: {data: rows.csv, format: orange-tab}",
        "files: {data: rows.csv, encoding: utf-16}",
        "files: {data: rows.csv, encoding: punycode}",
        "files: {data: rows.csv, encoding: ''}",
        "files: {data: rows.csv, delimiter: ''}",
        "files: {data: rows.csv, delimiter: t}",
        "hub: {id: ./nowhere}",
        "hub: {id: ~nobody-of-this-name/x}",
        "hub: {id: ./broken}",
        'hub: {id: "./\\0"}',
        "python: {function: 'os:system', arguments: {command: touch canary}}",
        "python: {function: 'broken:rows'}",
    ],
)
def test_sources_that_hold_no_data(source: str, call: Call, folder: Path) -> None:
    (folder / "rows.csv").write_text(LINES)
    (folder / "broken").mkdir()
    (folder / "broken" / "train.parquet").write_text("nothing")
    (folder / "broken.py").write_text("import sys\nsys.exit(7)\n")
    (folder / "mine.yaml").write_text(f"description: d\n{source}\ncolumns: {{text: text, label: label}}\n")
    (folder / "folder.yaml").mkdir()
    (folder / "device.yaml").symlink_to("/dev/zero")
    (folder / "gone.yaml").symlink_to("nowhere")
    code, out, err = call("tasks", "check", "mine", "--tasks", str(folder))
    assert (code, out, "Traceback" in err) == (2, "", False), err
    assert len(err.splitlines()) < 10
    assert not list(folder.rglob("canary"))
