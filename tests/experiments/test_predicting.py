"""`workbench predict`: texts and files in, a table or a file of answers out; nothing is half written."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console
from rich.live import Live
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.answers.predicting import Predictions
from adapter_workbench.experiments.api import Trained, Workbench
from adapter_workbench.experiments.terminal import asking, next_steps
from adapter_workbench.experiments.terminal.output import stderr
from adapter_workbench.experiments.workspace import StoredEvaluation, Workspace
from adapter_workbench.tasks.rows.row_files import FileRows
from adapter_workbench.tasks.rows.table_form import NamedColumns
from adapter_workbench.workbench.errors import DataError, InputError
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call
from tests.messages import lacks
from tests.workbench.test_foreign_adapters import sealed

BUDGET = {"epochs": 12, "batch_size": 8, "max_length": 16, "precision": "fp32"}
ROWS = [("the cat often", "a, b", 1), ("a plum very", "", 2), ("", "c", 3), ("the dog this", "d", 4), ("a fig", "e", 5)]
KINDS = {
    "classification": "columns: {text: text, label: label}",
    "multilabel": "kind: multilabel\ncolumns: {text: text, label: about, separator: ';'}",
    "regression": "kind: regression\ncolumns: {text: text, label: weight}",
    "token-classification": "kind: token-classification\ncolumns: {text: text, label: tags}",
}
NAMES = {"classification": "label", "multilabel": "labels", "regression": "value", "token-classification": "tags"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, bert: Path) -> Path:
    """A folder with a workspace in which an adapter of each kind was trained."""
    root = tmp_path_factory.mktemp("predicting")
    (root / "tasks").mkdir()
    rows = []
    for number, filler in enumerate(FILLERS * 2):
        for noun in (SUBJECTS[number % 8], FRUITS[number % 8]):
            animal = noun in SUBJECTS
            about = "animal;alive" if animal else "fruit"
            rows.append(
                (
                    f"{filler} {noun}",
                    "animal" if animal else "fruit",
                    about,
                    2.0 + animal,
                    f"O {'B-A' if animal else 'O'}",
                )
            )
    pd.DataFrame(rows, columns=["text", "label", "about", "weight", "tags"]).to_csv(
        root / "tasks/rows.csv", index=False
    )
    bench = Workbench(root / "ws", [root / "tasks"])
    for kind, columns in KINDS.items():
        (root / f"tasks/{kind}.yaml").write_text(f"description: made in tests\nfiles: {{data: rows.csv}}\n{columns}\n")
        bench.train(bench.lesson(kind, "lora", str(bert), learning_rate=0.02, budget=BUDGET))
    return root


@pytest.fixture
def predict(home: Path, call: Call) -> Call:
    """Run ``workbench predict …`` beside ``rows.csv``, ``.tsv``, ``.jsonl`` and ``.parquet`` with the same rows."""
    frame = pd.DataFrame(ROWS, columns=["body", "note", "n"])
    frame.to_csv("rows.csv", index=False)
    frame.to_csv("rows.tsv", index=False, sep="\t")
    frame.to_json("rows.jsonl", orient="records", lines=True)
    frame.to_parquet("rows.parquet")

    return lambda *arguments: call("predict", *arguments, "--workspace", str(home / "ws"))


def read(path: Path) -> list[dict]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("csv", "parquet"),
        ("tsv", "csv"),
        ("jsonl", "jsonl"),
        ("jsonl", "parquet"),
        ("parquet", "tsv"),
        ("parquet", "parquet"),
    ],
)
def test_all_columns_come_out_with_the_answers_beside_them(
    source: str, target: str, predict: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BATCH", 2)
    code, out, err = predict("classification", "--file", f"rows.{source}", "--column", "body", "--out", f"out.{target}")
    assert code == 0, err
    assert "5 rows, 1 of them without" in out
    rows = read(tmp_path / f"out.{target}")
    assert [(row["body"], row["note"], int(row["n"])) for row in rows] == ROWS
    assert [row["label"] or None for row in rows] == ["animal", "fruit", None, "animal", "fruit"]
    assert [*rows[0]] == ["body", "note", "n", "label", "confidence", "adapter"]
    assert float(rows[0]["confidence"]) > 0.5
    assert rows[0]["adapter"].startswith("classification-lora-")
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == [f"out.{target}"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_the_columns_that_fit_it(kind: str, predict: Call, tmp_path: Path) -> None:
    for target in ("jsonl", "csv", "parquet"):
        assert predict(kind, "--file", "rows.csv", "--column", "body", "--out", f"out.{target}")[0] == 0
    row, flat, typed = (read(tmp_path / f"out.{target}")[0] for target in ("jsonl", "csv", "parquet"))
    name = NAMES[kind]
    assert ("confidence" in row) == (kind != "regression")
    expected = {
        "classification": ("animal", "animal"),
        "multilabel": (["alive", "animal"], "alive, animal"),
        "token-classification": (["O", "B-A", "O"], "O B-A O"),
    }
    if kind == "regression":
        assert 2.5 < row[name] < 3.5
        assert float(flat[name]) == row[name] == typed[name]
    else:
        assert (row[name], flat[name]) == expected[kind]
        assert typed[name] == row[name]


def test_texts_without_a_table_can_be_written_too(predict: Call, tmp_path: Path) -> None:
    assert predict("classification", "the cat", "a fig", "--out", "out.csv", "--json")[0] == 0
    assert [(row["text"], row["label"]) for row in read(tmp_path / "out.csv")] == [
        ("the cat", "animal"),
        ("a fig", "fruit"),
    ]


def test_a_router_s_answers_can_be_written(predict: Call, tmp_path: Path) -> None:
    code, _, err = predict("router:arrow", "the cat", "--out", "out.csv", "--among", "classification")
    assert code == 0, err
    (row,) = read(tmp_path / "out.csv")
    assert [*row] == ["text", "label", "confidence", "adapter", "task", "routing_score"]
    assert (row["label"], row["task"]) == ("animal", "classification")


def test_a_text_of_none_of_the_tasks_is_data_and_words(home: Path, predict: Call, tmp_path: Path) -> None:
    tasks = ["--tasks", str(home / "tasks"), "--among", "classification"]
    known, least = (
        ["router:prototype", "the cat", "a fig", *tasks],
        ["--min-routing-score", "2"],
    )  # cosines are 1 at most
    believed = json.loads(predict(*known, "--min-routing-score", "-1", "--json")[1])
    assert believed == json.loads(predict(*known, "--json")[1])
    assert [entry["task"] for entry in believed] == [entry["nearest_task"] for entry in believed]
    rejected = json.loads(predict(*known, *least, "--json")[1])
    empty = dict.fromkeys(("label", "confidence", "adapter", "task"))
    assert rejected == [{**entry, **empty} for entry in believed]
    code, out, _ = predict(*known, *least)
    assert (code, out.count("none of these tasks"), out.count("(nearest: classification)")) == (0, 2, 2)
    assert lacks(out, "None of these tasks: 2 of 2 texts", "(cosine to ") == []
    code, out, _ = predict(*known, *least, "--out", "out.jsonl")
    assert (code, "None of these tasks: 2 of 2 texts, by the score (cosine" in out) == (0, True)
    written = json.loads(predict(*known, *least, "--out", "out.jsonl", "--overwrite", "--json")[1])
    assert (written["rows"], written["rejected"]) == (2, 2)
    assert [{**row, "text": ""} for row in read(tmp_path / "out.jsonl")] == [{**row, "text": ""} for row in rejected]


def test_the_score_that_rejects_few_own_texts_is_kept_with_the_router(home: Path, predict: Call) -> None:
    tasks = ["--tasks", str(home / "tasks"), "--among", "classification"]
    ask = ["router:mahalanobis", "the cat", *tasks, "--max-false-rejections", "0.3"]
    code, out, err = predict(*ask, "--json")
    assert (code, "validation texts" in err) == (0, True)
    again = predict(*ask[:2], "--among", "classification", *ask[-2:], "--json")
    assert (again[0], again[1]) == (0, out), "without the task's folder: what is known needs no data"
    code, _, err = predict("router:arrow", "the cat", "--among", "classification", "--max-false-rejections", "0.3")
    assert (code, "--max-false-rejections needs the validation examples" in err) == (2, True)
    assert "--min-routing-score needs no data" in err


def test_in_a_terminal_a_router_s_file_needs_one_display_alone(
    predict: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_live = Console.set_live

    def alone(console: Console, live: Live) -> Any:
        assert not console._live_stack, "rich before 14.1 refuses a second display"
        return set_live(console, live)

    monkeypatch.setattr(Console, "set_live", alone)
    monkeypatch.setattr(stderr, "_force_terminal", True)
    code, _, err = predict("router:arrow", "the cat", "--out", "out.csv", "--among", "classification")
    assert code == 0, err
    assert [row["label"] for row in read(tmp_path / "out.csv")] == ["animal"]


@pytest.mark.parametrize("how", [("the cat",), ("the cat", "--json"), ("--file", "rows.csv", "--column", "body")])
def test_an_answer_that_is_no_number_is_one_message(
    how: tuple[str, ...], home: Path, predict: Call, call: Call, tmp_path: Path
) -> None:
    copied = Workspace(shutil.copytree(home / "ws", tmp_path / "ws"))
    folder = copied.adapters.get("regression").folder
    head = load_file(folder / HEAD_FILE)
    save_file({name: torch.full_like(tensor, 3e38) for name, tensor in head.items()}, folder / HEAD_FILE)
    sealed(folder)
    code, out, err = call("predict", "regression", *how, "--workspace", str(copied.root))
    assert (code, out) == (1, "")
    assert "not a number" in err
    assert "Traceback" not in err


def test_answers_on_the_screen_name_their_adapter(predict: Call) -> None:
    code, out, _ = predict("classification", "the cat [/b] often")
    assert code == 0
    assert all(word in out for word in ("label", "confidence", "adapter", "classification-lora-", "the cat [/b] often"))
    assert "Next: workbench predict classification --file" in out
    answers = json.loads(predict("multilabel", "the cat", "--json")[1])
    assert set(answers[0]) == {"text", "label", "confidence", "adapter", "value"}
    assert answers[0]["value"] == ["alive", "animal"]


def test_what_comes_next_repeats_what_was_given(predict: Call, bert: Path) -> None:
    assert " --among a,b --backbone 'my model' --set rank=2" in next_steps.predicting_file(
        "router:arrow", False, next_steps.options(assignments=["rank=2"]), "a,b", "my model"
    )
    assert "--column COLUMN --pair COLUMN --out" in next_steps.predicting_file("nli", True, "")
    assert "--backbone" in predict("classification", "the cat", "--backbone", str(bert))[1].rpartition("Next:")[2]


def test_answers_for_a_spreadsheet_are_not_computed_there(predict: Call, tmp_path: Path) -> None:
    assert predict("classification", "=1+1", "the cat", "--out", "out.csv", "--for-spreadsheets")[0] == 0
    first, second = read(tmp_path / "out.csv")
    assert (first["text"], second["text"]) == ("'=1+1", "the cat")
    assert 0 < float(first["confidence"]) <= 1


def test_a_notebook_shows_tables_with_names_escaped(home: Path) -> None:
    bench = Workbench(home / "ws", [home / "tasks"])
    answers = bench.predict("classification", ["the cat <script>alert(1)</script>"])
    shown = answers._repr_html_()
    assert "<script" not in shown
    assert all(word in shown for word in ("<th>label</th>", ">animal</td>", "&lt;script&gt;", answers[0].adapter))
    adapter = bench.workspace.adapters.get("classification")
    trained = Trained(adapter, StoredEvaluation({"<b>": 0.5}, "", 0.0, 1), 0.25)._repr_html_()
    assert all(word in trained for word in (adapter.id, "classification", "test &lt;b&gt;", ">0.5</td>", ">0.25</td>"))
    assert Predictions()._repr_html_().count("<tr>") == 0


def prefixed(path: Path) -> None:
    pd.DataFrame({"body": ["the cat"], "label": ["animal"]}).to_csv(path, index=False)


def test_out_with_json_is_what_json_prints(predict: Call, tmp_path: Path) -> None:
    asked = ["classification", "the cat", "a fig"]
    code, out, err = predict(*asked, "--out", "out.json")
    assert (code, "Wrote out.json: 2 rows." in out) == (0, True), err
    written = (tmp_path / "out.json").read_text()
    assert json.loads(written) == json.loads(predict(*asked, "--json")[1])
    code, out, err = predict(*asked, "--out", "out.json")
    assert (code, out, "--overwrite replaces it" in err) == (2, "", True), err
    assert (tmp_path / "out.json").read_text() == written


MISTAKES = {
    "no such column": (["--file", "rows.csv", "--out", "out.csv"], "there is no column 'text'"),
    "no such second column": (["--file", "rows.csv", "--column", "body", "--pair", "bdy"], "Name one with --pair"),
    "the file itself": (
        ["--file", "rows.csv", "--column", "body", "--out", "./rows.csv"],
        "cannot replace the file that is read",
    ),
    "no spreadsheet": (
        ["--file", "rows.csv", "--column", "body", "--out", "out.jsonl", "--for-spreadsheets"],
        "Spreadsheets open .csv and .tsv",
    ),
    "nothing for a spreadsheet": (["the cat", "--for-spreadsheets"], "--out answers.csv"),
    "nothing to overwrite": (["the cat", "--overwrite"], "--overwrite needs --out\n"),
    "a prefix in a document": (["the cat", "--prefix", "my_", "--out", "a.json"], "--prefix needs --out with a table"),
    "no names to put a prefix before": (["the cat", "--prefix", "my_"], "--prefix needs --out"),
    "no format": (["--file", "rows.csv", "--column", "body", "--out", "out.xlsx"], "cannot tell the format to write"),
    "no such folder": (
        ["--file", "rows.csv", "--column", "body", "--out", "answrs/out.csv"],
        "answrs/out.csv: cannot write here: there is no folder 'answrs'\n  Make it first: mkdir -p answrs",
    ),
    "a column twice": (["--file", "labelled.csv", "--column", "body", "--out", "out.csv"], "--prefix predicted_"),
    "no file": (["--file", "nowhere.csv", "--column", "body"], "no such file"),
    "texts and a file": (["the cat", "--file", "rows.csv", "--column", "body"], "cannot be combined with --file"),
    "the name of a file as a text": (
        ["broken.csv"],
        "broken.csv: this is the name of a file, not a text\n  For the texts in it: --file broken.csv",
    ),
    "a header alone": (["--file", "header.csv"], "header.csv: cannot be read: it has no rows"),
    "a text in Latin-1": (["sch\udcf6n"], "a text is not UTF-8\n  Save it in a file and give --file."),
    "a second text in Latin-1": (["the cat", "--pair", "sch\udcf6n"], "a text is not UTF-8"),
    "a column of lines": (["the cat", "--column", "body"], "--column needs --file\n  Save the table in a file"),
    "a column of an unknown format": (["--file", "lines.dat", "--column", "body"], "lines.dat: --column needs a table"),
    "JSON": (["--file", "rows.json"], "rows.json: files of this format are not read here\n  A table is one of .csv"),
    "a rejection without a router": (
        ["the cat", "--min-routing-score", "0"],
        "--min-routing-score needs a router\n  Give router:NAME",
    ),
    "a share of all": (["the cat", "--max-false-rejections", "1"], "--max-false-rejections: 1 is not between 0 and 1"),
    "a broken line": (["--file", "broken.csv", "--column", "body", "--out", "out.csv"], "broken.csv, line 3: 3 fields"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_before_a_model_is_opened(
    mistake: str, predict: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefixed(tmp_path / "labelled.csv")
    (tmp_path / "broken.csv").write_text("body,n\nthe cat,1\nthe cat,1,2\n")
    (tmp_path / "header.csv").write_text("body,n\n")
    (tmp_path / "lines.dat").write_text("the cat\n")
    (tmp_path / "rows.json").write_text('[{"text": "the cat"}]')
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(
        "adapter_workbench.experiments.answers.predicting.backbone_of",
        lambda *given: pytest.fail("the model was opened"),
    )
    arguments, expected = MISTAKES[mistake]
    code, out, err = predict("classification", *arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_what_is_piped_in_has_to_be_utf_8(errors: str, predict: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the locale C Python reads every byte; in others it raises at one that is not UTF-8."""
    piped = io.BytesIO("the cat\nein schöner Tag\n".encode("latin-1"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(piped, encoding="utf-8", errors=errors))
    code, out, err = predict("classification")
    assert (code, out) == (2, "")
    assert "stdin is not UTF-8\n  Save it and give --file: its encoding is found." in err
    assert "Traceback" not in err


def test_a_column_of_what_is_piped_in_is_refused(predict: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("message,n\nthe cat,1\n"))
    code, out, err = predict("classification", "--column", "message")
    assert (code, out) == (2, "")
    assert "--column needs --file" in err


def test_entries_of_blank_texts_are_there_too(predict: Call) -> None:
    nothing = dict.fromkeys(["text", "label", "confidence", "adapter", "value"])
    entries = json.loads(predict("classification", "the cat", " ", "a fig", "--json")[1])
    assert [entry["label"] for entry in entries] == ["animal", None, "fruit"]
    assert entries[1] == nothing
    entries = json.loads(predict("classification", "--file", "rows.csv", "--column", "body", "--json")[1])
    assert [entry["text"] for entry in entries] == [body or None for body, *_ in ROWS]
    out = predict("classification", "the cat", "", "a fig")[1]
    assert "3 rows, 1 of them without" in out


def test_a_prefix_keeps_the_labels_that_are_there(predict: Call, tmp_path: Path) -> None:
    prefixed(tmp_path / "labelled.csv")
    arguments = ["--file", "labelled.csv", "--column", "body", "--out", "out.csv", "--prefix", "predicted_"]
    assert predict("classification", *arguments)[0] == 0
    (row,) = read(tmp_path / "out.csv")
    assert (row["label"], row["predicted_label"]) == ("animal", "animal")


def test_what_fails_half_way_leaves_the_old_file(
    predict: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.csv").write_text("old")
    monkeypatch.setattr(asking, "BATCH", 2)
    asked = []

    def once(self: object, texts: list[str]) -> list:
        asked.append(texts)
        raise InputError("enough")

    monkeypatch.setattr("adapter_workbench.experiments.answers.predicting.Predictor.__call__", once)
    arguments = ["classification", "--file", "rows.csv", "--column", "body", "--out", "out.csv"]
    code, _, err = predict(*arguments)
    assert (code, "--overwrite replaces it" in err, asked) == (2, True, []), "not without a word"
    assert predict(*arguments, "--overwrite")[0] == 2
    assert asked
    assert (tmp_path / "out.csv").read_text() == "old"
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_any_text_file_a_workbook_and_gzip_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = [text for text, *_ in ROWS]
    lines = "\r\n".join(f"{text};{note};{n}" for text, note, n in ROWS)
    (tmp_path / "semicolons.csv").write_bytes(f"body;note;n\r\n{lines}\r\n".encode("utf-16"))
    (tmp_path / "headless.csv").write_text(lines.replace(";", "\t"))
    (tmp_path / "table.txt.gz").write_bytes(gzip.compress(f"body;note;n\n{lines}".encode()))
    pd.DataFrame(ROWS, columns=["body", "note", "n"]).to_excel(tmp_path / "book.xlsx", index=False)
    for name, column in (("semicolons.csv", "body"), ("table.txt.gz", "body"), ("book.xlsx", "body")):
        rows, text_of = asking.texts_of(tmp_path / name, None, NamedColumns(column))
        assert (rows.columns, rows.count) == (("body", "note", "n"), 5)
        assert [row["body"] for row in rows] == body
        assert [text_of(row) for row in rows] == [text or None for text in body]
    assert "semicolons.csv was read as: semicolons" in capsys.readouterr().err
    rows, _ = asking.texts_of(tmp_path / "headless.csv", None, NamedColumns("column_1"))
    assert [row["column_1"] for row in rows] == body


def test_a_text_file_without_the_column_is_one_text_a_line(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes('one, two\n\nein schöner, Tag\r\n"three\u2028'.encode("cp1252", "ignore"))
    rows, text_of = asking.texts_of(tmp_path / "texts.txt", None, NamedColumns())
    assert [text_of(row) for row in rows] == ["one, two", "ein schöner, Tag", '"three']


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", ".", "nowhere.txt", "pipe", "pipe.csv", "x" * 300])
def test_what_is_no_file_is_one_message(name: str, tmp_path: Path) -> None:
    for pipe in ("pipe", "pipe.csv"):
        os.mkfifo(tmp_path / pipe)
    with pytest.raises(InputError, match=r"no such file|a device or a pipe|a folder|name too long"):
        asking.texts_of(tmp_path / name, None, NamedColumns())


def test_rows_of_lines_may_differ(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"b": ["x"], "a": 2.5}\n')
    rows = FileRows(path)
    assert (rows.columns, rows.count) == (("a", "b"), 2)
    assert {field.name: str(field.type).partition("<")[0] for field in rows.schema()} == {"a": "double", "b": "list"}
    path.write_text('{"a": 1}\n{"a": "one"}\n')
    with pytest.raises(InputError, match="several types"):
        FileRows(path).schema()
    path.write_text('{"a": 1}\n[1]\n')
    with pytest.raises(DataError, match=r"rows.jsonl, line 2: expected one JSON object"):
        FileRows(path)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_an_answer_computed_alone_is_the_same_beside_others_to_the_last_bit(
    kind: str, bert: Path, home: Path, tmp_path: Path, call: Call
) -> None:
    """In bf16 a padded batch rounds otherwise: without ``alone``, answers differ."""
    bench = Workbench(tmp_path / "narrow", [home / "tasks"])
    budget = {**BUDGET, "epochs": 1, "precision": "bf16"}
    adapter = bench.train(bench.lesson(kind, "lora", str(bert), learning_rate=0.02, budget=budget)).adapter.id
    texts = [" ".join([*FILLERS[:count], SUBJECTS[count]]) for count in range(8)]
    single = [bench.predict(adapter, [text])[0] for text in texts]
    assert bench.predict(adapter, texts, alone=True) == single
    assert bench.predict(adapter, texts) != single

    Path("texts.txt").write_text("\n".join(texts))
    asked = ["predict", adapter, "--file", "texts.txt", "--alone", "--json", "--workspace", str(bench.workspace.root)]
    code, out, err = call(*asked)
    assert code == 0, err
    assert [(row["value"], row["confidence"]) for row in json.loads(out)] == [
        (answer.value, answer.confidence) for answer in single
    ]


def test_texts_are_not_computed_alone_through_a_router(predict: Call) -> None:
    code, _, err = predict("router:similarity", "a", "--alone")
    assert code == 2
    assert "--alone needs one adapter" in err
