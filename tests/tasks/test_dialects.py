"""The dialect of a text file is read from the file, shown, and can be set; every row arrives."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from adapter_workbench.tasks.drafting.draft import draft, write
from adapter_workbench.tasks.drafting.found_data import data_at
from adapter_workbench.tasks.drafting.guess import GivenColumns
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.reading import formats
from adapter_workbench.tasks.reading.delimited import frame_of
from adapter_workbench.tasks.reading.dialect import Dialect, DialectSettings, in_words
from adapter_workbench.tasks.reading.sniffing import sniff
from adapter_workbench.tasks.rows.column_traits import traits_of
from adapter_workbench.workbench.errors import DataError, InputError
from adapter_workbench.workbench.methods.task import SPLITS, Task
from tests.conftest import Call
from tests.messages import lacks, naming

TEXTS = [
    "nice, but small; really",
    'she said "no" and left',
    "plain words | and a bar",
    "a café in Köln",
    "one, two, three",
    "it's 5 o'clock",
    "short",
    "a longer text with a few more words in it",
] * 5
QUOTE = '"'
LABELS = ["good", "bad"] * 20


def written(delimiter: str, quotes: bool, header: bool, decimal: str = ".") -> tuple[str, list[list[str]]]:
    """Return a file in one dialect, made by Python's writer, and its rows."""
    texts = [text.replace(delimiter, " ") for text in TEXTS] if not quotes else TEXTS
    values = [f"{n}{decimal}{n % 7}5" for n in range(40)]
    rows = [list(row) for row in zip(texts, values, LABELS, strict=True)]
    stream = io.StringIO()
    style = {"quoting": csv.QUOTE_MINIMAL} if quotes else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n", **style)
    writer.writerows([["message", "weight", "team"], *rows] if header else rows)
    return stream.getvalue(), rows


@pytest.mark.parametrize("packed", ["", ".gz", ".bz2"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quotes", [True, False])
def test_a_file_is_read_in_the_dialect_it_was_written_in(
    tmp_path: Path, delimiter: str, quotes: bool, suffix: str, packed: str
) -> None:
    for header in (True, False):
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
            text, rows = written(delimiter, quotes, header)
            path = tmp_path / f"rows.{suffix}{packed}"
            content = text.encode(encoding)
            path.write_bytes({"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[packed](content))
            dialect = sniff(path, suffix, DialectSettings())
            assert dialect == Dialect(delimiter, quotes, header, encoding.removesuffix("-sig")), (header, encoding)
            frame = frame_of(path, dialect)
            assert frame.to_numpy().tolist() == rows
            assert list(frame.columns) == (
                ["message", "weight", "team"] if header else [f"column_{n}" for n in (1, 2, 3)]
            )
            assert formats.lines_of(frame) == 40


COMMAS = "text;weight;size\n" + "".join(f"text, {n},5;{n % 3}.234,{n % 7}5;{n % 2 + 1},000\n" for n in range(40))


def test_a_decimal_comma_touches_only_numbers_that_are_asked_for(folder: Path) -> None:
    (folder / "rows.csv").write_text(COMMAS, encoding="utf-8")
    dialect = sniff(folder / "rows.csv", "csv", DialectSettings())
    assert dialect == Dialect(";", decimal=",")
    assert frame_of(folder / "rows.csv", dialect).iloc[1].tolist() == ["text, 1,5", "1.234,15", "2,000"], "as written"
    data = data_at(str(folder / "rows.csv"), folder)
    for label, kind, values in (("weight", "regression", None), ("size", "classification", ("1,000", "2,000"))):
        made = draft("mine", data, GivenColumns(kind=kind, label=(label,)))
        write(made, folder, force=True)
        task = registry.load(registry.find("mine", [folder]))
        if values is None:
            given = {row["text"]: row["value"] for split in SPLITS for row in task.splits[split]}
            assert (given["text, 1,5"], given["text, 5,5"], given["text, 7,5"]) == (1234.15, 2234.55, 1234.05)
            assert traits_of(data.sample)["weight"].quantity
        else:
            assert task.labels == values
            assert {text for split in SPLITS for text in task.splits[split]["text"]} == {
                f"text, {n},5" for n in range(40)
            }
            assert "- 1,000" in made.text


def test_a_point_parts_thousands_where_the_comma_is_the_decimal_sign(folder: Path) -> None:
    (folder / "rows.csv").write_text(COMMAS.replace("0.234,05", "0.5"), encoding="utf-8")
    text = "files: {data: rows.csv, delimiter: ;, decimal: ','}\ncolumns: {text: text, label: weight}"
    (folder / "mine.yaml").write_text(f"description: d\nkind: regression\n{text}\n")
    with pytest.raises(DataError, match=r"rows of split 'data' hold no number \(data-0: '0.5'"):
        registry.load(registry.find("mine", [folder]))


def test_an_answer_that_is_compared_as_a_number_gets_a_point(folder: Path) -> None:
    (folder / "rows.csv").write_text(COMMAS, encoding="utf-8")
    for metric, answer in (("numeric-match", "1234.15"), ("exact-match", "1.234,15")):
        text = "files: {data: rows.csv, delimiter: ;, decimal: ','}\ncolumns: {text: text, answer: weight}"
        (folder / "mine.yaml").write_text(f"description: d\nkind: causal-lm\nmetric: {metric}\n{text}\n")
        task = registry.load(registry.find("mine", [folder]))
        given = {row["text"]: row["answer"] for split in SPLITS for row in task.splits[split]}
        assert given["text, 1,5"] == answer


def test_every_seventh_text_begins_with_a_quote(tmp_path: Path) -> None:
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        path = tmp_path / f"rows.{suffix}"
        lines = [f"{QUOTE * (n % 7 == 0)}text number {n}{delimiter}{'ab'[n % 2]}" for n in range(400)]
        path.write_text("\n".join([f"text{delimiter}label", *lines]), encoding="utf-8")
        frame = frame_of(path, sniff(path, suffix, DialectSettings()))
        assert len(frame) == 400
        assert frame["text"][7] == '"text number 7'


def test_a_quotation_over_two_rows_stays_two_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text('1_1\t0.5\t"it is good\n1_2\t-0.5\tand it is bad"\n1_3\t1\tboth\n', encoding="utf-8")
    dialect = sniff(path, "tsv", DialectSettings())
    assert (dialect.quotes, dialect.header) == (False, False)
    assert len(frame_of(path, dialect)) == 3


def test_texts_of_several_lines_in_quotes_are_one_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n"first line\nsecond, with ""quotes""",a\nplain,b\n\n"x",a\n', encoding="utf-8")
    dialect = sniff(path, "csv", DialectSettings())
    assert dialect == Dialect()
    frame = frame_of(path, dialect)
    assert frame["text"].tolist() == ['first line\nsecond, with "quotes"', "plain", "x"]
    assert formats.lines_of(frame) == 4


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("text,label", True),
        ("Nachricht,Abteilung", True),
        ("what a film,pos", False),  # pos is a value of its column
        ("3,what a film", False),
        (f"{'a long text that nobody would call a column ' * 2},new", False),
        ("same,same", False),
    ],
)
def test_whether_the_first_row_is_a_header(tmp_path: Path, first: str, expected: bool) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([first, *(f"text {n},{'pos' if n % 2 else 'neg'}" for n in range(20))]))
    assert sniff(path, "csv", DialectSettings()).header is expected
    assert sniff(path, "csv", DialectSettings(), first.split(",")).header, "a name that is asked for is a name"


def test_what_a_person_says_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n"a, b",x\n', encoding="utf-8")
    settings = DialectSettings(delimiter="tab", quotes=False, header=False, encoding="latin-1", decimal=",")
    assert sniff(path, "csv", settings) == Dialect("\t", False, False, "latin-1", ",")
    assert in_words(Dialect("\t", False, False, "latin-1", ",")) == (
        "tabs between fields, no quotes, no header (columns are called column_1, column_2, …), latin-1, decimal comma"
    )


# the shape of the four sentiment files of the vaderSentiment source package: an id, a mean rating and a text between
# tabs, no header, Windows line breaks, and quotes that belong to the texts, some of them left open
def ratings() -> str:
    draw = random.Random(0)
    rows = []
    for n in range(300):
        words = f"snippet {n} is {'good' if n % 2 else 'bad'}, they say"
        text = {0: f'"{words}', 3: f'{words}"', 5: f'"it" {words}', 8: f'24" {words}'}.get(n % 9, words)
        rows.append(f"{n // 7}_{n % 7}\t{draw.uniform(-4, 4):.11g}\t{text}\r\n")
    return "".join(rows)


def test_a_file_of_ratings_becomes_a_task_with_every_row(folder: Path) -> None:
    path = folder.parent / "snippets.txt"
    path.write_text(ratings(), encoding="utf-8", newline="")
    made = draft("mine", data_at(str(path), folder), GivenColumns())
    assert (made.columns.kind, made.columns.text, made.columns.label) == ("regression", "column_3", ("column_2",))
    assert (made.findings.rows, made.findings.lines) == (300, 300)
    write(made, folder)
    task = registry.load(registry.find("mine", [folder]))
    assert sum(len(task.splits[split]) for split in SPLITS) == 300
    assert task.origin == "files snippets.txt"
    files = yaml.safe_load(made.text)["files"]
    assert files == {"data": "../snippets.txt", "quotes": False, "header": False}, "and nothing that is plain"


def test_the_command_shows_and_takes_the_dialect(call: Call, folder: Path) -> None:
    text, _ = written(";", True, False, ",")
    (folder / "rows.csv").write_bytes(text.encode("latin-1"))
    arguments = ["tasks", "new", "mine", "--from", str(folder / "rows.csv"), "--tasks", str(folder)]
    code, out, err = call(*arguments)
    assert code == 0, err
    assert lacks(out, "Read as: ", "semicolons", "quotes", "no header") == []
    for line in ("delimiter: ;", "header: false # columns are called column_1", "encoding: cp1252", "decimal: ','"):
        assert f"\n  {line}" in out
    (folder / "rows.csv").write_bytes(written(";", False, True)[0].encode("latin-1"))
    flags = ["--delimiter", ";", "--no-quotes", "--header", "--encoding", "latin-1", "--decimal", "."]
    code, out, err = call(*arguments, "--force", *flags)
    assert code == 0, err
    files = yaml.safe_load((folder / "mine.yaml").read_text(encoding="utf-8"))["files"]
    assert files == {"data": "rows.csv", "delimiter": ";", "quotes": False, "encoding": "latin-1"}
    for wrong in (["--delimiter", ";;"], ["--encoding", "no-such"], ["--decimal", "x"]):
        code, _, err = call(*arguments, "--force", *wrong)
        assert (code, wrong[0][2:] in err) == (2, True)


def test_rows_that_were_swallowed_are_pointed_out(call: Call, folder: Path) -> None:
    lines = [f"{QUOTE * (n in (50, 90))}text number {n},{LABELS[n % 2]}" for n in range(400)]
    lines += [f'"twice, {n}",{LABELS[n % 2]}' for n in range(400, 500)]  # so that no other way to read it fits either
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    (folder / "mine.yaml").write_text("description: d\nfiles: {data: rows.csv}\ncolumns: {text: text, label: label}\n")
    code, out, err = call("tasks", "check", "mine", "--tasks", str(folder))
    assert code == 0, err
    assert "data has 500 lines and 460 rows" in out
    assert "1 have a line break" in out
    code, out, err = call("tasks", "new", "other", "--from", str(folder / "rows.csv"), "--tasks", str(folder))
    assert "the file has 500 lines and 460 rows   (--no-quotes" in out
    assert lacks(out, "1 texts", "line break", "rows 51") == []


def test_texts_of_fifty_times_the_median_length_are_pointed_out(load: Callable[..., Task], call: Call) -> None:
    from adapter_workbench.tasks.drafting.check import check

    rows = ["text,label", *(f"text {n},{'ab'[n % 2]}" for n in range(40)), f"{'long ' * 100},a"]
    task = load("files: {data: rows.csv}\ncolumns: {text: text}", rows)
    texts = check(task)["texts"]
    assert (texts["long"], texts["line_breaks"]["count"]) == ({"count": 1, "ids": ["data-40"]}, 0)


def test_dialect_keys_of_a_task_file(load: Callable[..., Task]) -> None:
    columns = "columns: {text: column_1, label: column_2}"
    rows = [f"text; {n}|{'ab'[n % 2]}" for n in range(40)]
    task = load(f'files: {{data: rows.csv, delimiter: "|", header: false}}\n{columns}', rows)
    assert sum(len(task.splits[split]) for split in SPLITS) == 40
    with pytest.raises(InputError, match=r"'files.delimiter': expected one character"):
        load(f'files: {{data: rows.csv, delimiter: "||"}}\n{columns}', rows)
    with pytest.raises(InputError, match=naming("delimiter", "parquet")):
        load(f'files: {{data: rows.csv, format: parquet, delimiter: "|"}}\n{columns}', rows)
    with pytest.raises(DataError, match=naming("rows.csv, line 1: ", "quote", "never closed")):
        load(f"files: {{data: rows.csv}}\n{columns}", ['"text,label', "a,b"])
