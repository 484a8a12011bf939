from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import datasets
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from adapter_workbench.experiments.terminal.drafting import ask_until_settled
from adapter_workbench.tasks.drafting.draft import Draft, write
from adapter_workbench.tasks.drafting.draft import draft as draft_of
from adapter_workbench.tasks.drafting.found_data import data_at
from adapter_workbench.tasks.drafting.guess import GivenColumns, guess_columns
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError, SettingsError
from tests.conftest import Call
from tests.messages import lacks, naming

TEXTS = [f"this is the text of row {n}" for n in range(30)]
LABELS = ["yes", "no", "true"] * 10


def draft(name: str, origin: str, folder: Path, **given: object) -> Draft:
    return draft_of(name, data_at(origin, folder), GivenColumns(**given))


def data(**columns: list) -> pd.DataFrame:
    return pd.DataFrame({"uid": range(30), "text": TEXTS, "label": LABELS, **columns})


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"body": TEXTS, "team": LABELS, "n": list(range(30))}, ("body", None, "team")),
        ({"label": LABELS, "language": ["en", "de"] * 15, "tweet": TEXTS}, ("tweet", None, "label")),
        ({"premise": TEXTS, "hypothesis": [f"h{t}" for t in TEXTS], "gold": LABELS}, ("premise", "hypothesis", "gold")),
        ({"Question1": TEXTS, "question2": TEXTS, "label": LABELS}, ("Question1", "question2", "label")),
        ({"title": [t[:9] for t in TEXTS], "content": TEXTS, "class": [0, 1] * 15}, ("content", None, "class")),
    ],
)
def test_guesses(columns: dict[str, list], expected: tuple[str, str | None, str]) -> None:
    guess = guess_columns(pd.DataFrame(columns), "rows.csv", GivenColumns())
    assert (guess.text, guess.text_pair, *guess.label) == expected


def test_what_is_given_is_taken() -> None:
    frame = data(note=TEXTS, other=["x", "y"] * 15)
    guess = guess_columns(frame, "rows.csv", GivenColumns(text="note", text_pair="text", label=("other",)))
    assert (guess.text, guess.text_pair, *guess.label) == ("note", "text", "other")
    with pytest.raises(InputError, match="no column 'labl' for --label"):
        guess_columns(frame, "rows.csv", GivenColumns(label=("labl",)))


def test_what_cannot_be_told_is_asked_for_with_examples() -> None:
    with pytest.raises(InputError) as error:
        guess_columns(pd.DataFrame({"body": TEXTS, "n": range(30)}), "rows.csv", GivenColumns())
    message = str(error.value)
    assert "which column" in message
    assert "--label C" in message
    assert "--text" not in message
    assert lacks(message, "body: 'this", "row 1', … (30 distinct)") == []


def test_a_column_that_a_third_of_the_rows_leave_empty_is_asked_about_line_by_line() -> None:
    frame = pd.DataFrame({"text": TEXTS, "stars": ["", "1", "2"] * 10, "te\nam": ["x", "y"] * 15})
    with pytest.raises(InputError) as error:
        guess_columns(frame, "rows.csv", GivenColumns())
    message, hint, *columns = str(error.value).splitlines()
    assert (message, hint) == (
        "rows.csv: cannot tell which column is the label",
        "  Name it: --label C (or --answer C, where answers are free text)",
    )
    assert columns == [
        "  text: 'this is the text of row 0', 'this is the text of row 1', … (30 distinct)",
        "  stars: '', '1', … (2 distinct, empty in 10 of 30 rows)",
        "  te am: 'x', 'y', … (2 distinct)",
    ]


def half_empty(values: list) -> list:
    return [value if n % 2 else None for n, value in enumerate(values)]


SPAM = ["yes", "no", "Yes", "NO", " yes ", "maybe"] * 5
NUMBERS = [n / 7 for n in range(30)]


def test_a_half_empty_column_is_not_preferred_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"Message": TEXTS, "Is Spam?": SPAM, "score": half_empty(NUMBERS)})
    with pytest.raises(InputError) as error:
        guess_columns(frame, "rows.csv", GivenColumns())
    for part in ("cannot tell which column is the label", "--label C", "score", "empty in 15 of 30 rows"):
        assert part in str(error.value)
    asked = iter(["Is Spam?"])
    monkeypatch.setattr("builtins.input", lambda: next(asked))
    given = ask_until_settled(frame, "rows.csv")
    assert (given.label, guess_columns(frame, "rows.csv", given).kind) == (("Is Spam?",), "classification")
    assert guess_columns(frame, "rows.csv", GivenColumns(label=("score",))).kind == "regression", (
        "what is given is taken"
    )


@pytest.mark.parametrize(
    ("columns", "kind", "label"),
    [
        ({"label": LABELS, "score": half_empty(NUMBERS)}, "classification", "label"),
        ({"label": half_empty(LABELS), "category": LABELS}, "classification", "category"),
        ({"score": half_empty(NUMBERS)}, "regression", "score"),
        ({"score": [*NUMBERS[:25], *[None] * 5], "team": LABELS}, "regression", "score"),
        ({"flag": half_empty(["x", "y"] * 15), "team": LABELS}, "classification", "team"),
        ({"labels": half_empty([["a"], ["b"], ["a", "b"]] * 10), "team": LABELS}, "multilabel", "labels"),
    ],
)
def test_what_a_half_empty_column_is_held_against(columns: dict[str, list], kind: str, label: str) -> None:
    notes = half_empty([f"{text}, and a long note on it" for text in TEXTS])
    guess = guess_columns(pd.DataFrame({"text": TEXTS, "notes": notes, **columns}), "rows.csv", GivenColumns())
    assert (guess.kind, guess.label, guess.text) == (kind, (label,), "text")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_draft_of_a_file_loads(folder: Path, suffix: str) -> None:
    path = folder.parent / f"rows.{suffix}"
    if suffix in {"csv", "tsv"}:
        data().to_csv(path, sep="," if suffix == "csv" else "\t", index=False)
    elif suffix == "jsonl":
        data().to_json(path, orient="records", lines=True)
    else:
        data().to_parquet(path)
    made = draft("mine", str(path), folder)
    assert f"../rows.{suffix}" in made.text
    assert dict(made.findings.counts) == {"yes": 10, "no": 10, "true": 10}
    assert len(made.examples) == 3
    write(made, folder)
    task = registry.load(registry.find("mine", [folder]))
    assert task.labels == ("no", "true", "yes")
    assert {split: len(rows) for split, rows in task.splits.items()} == {"train": 21, "validation": 3, "test": 6}


def test_a_draft_of_a_folder_of_splits(folder: Path) -> None:
    source = folder.parent / "splits"
    source.mkdir()
    for name in ("my-train", "dev", "notes"):
        data(label=[n % 2 for n in range(30)]).to_csv(source / f"{name}.csv", index=False)
    made = draft("mine", str(source), folder)
    for part in ("train: ../splits/my-train.csv", "validation: ../splits/dev.csv", "test: 0.2", "'0': '0'"):
        assert part in made.text
    assert "notes.csv" not in made.text
    write(made, folder)
    assert registry.load(registry.find("mine", [folder])).labels == ("0", "1")


def test_a_file_that_is_called_data_and_test_is_test(folder: Path) -> None:
    source = folder.parent / "splits"
    source.mkdir()
    for name in ("data_train", "data_test"):
        data().to_csv(source / f"{name}.csv", index=False)
    assert data_at(str(source), folder).sizes == {"train": 30, "test": 30}


def test_a_draft_of_folders_of_texts(folder: Path) -> None:
    for n, text in enumerate(TEXTS):
        (folder / "texts" / "ab"[n % 2]).mkdir(parents=True, exist_ok=True)
        (folder / "texts" / "ab"[n % 2] / f"{n}.txt").write_text(text)
    write(draft("mine", str(folder / "texts"), folder), folder)
    assert registry.load(registry.find("mine", [folder])).labels == ("a", "b")


def test_a_draft_of_a_hub_id(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = Features({"sentence": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    rows = Dataset.from_dict({"sentence": TEXTS, "label": [0, 1] * 15}, features=features)
    asked = []

    def load_dataset(path: str, config: str | None, revision: str | None) -> DatasetDict:
        asked.append((path, config, revision))
        return DatasetDict(train=rows, test=rows)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    made = draft("mine", "owner/name:cfg", folder)
    write(made, folder)
    assert asked == [("owner/name", "cfg", None)]
    spec = registry.find("mine", [folder])
    assert (spec.source, spec.file.labels, spec.file.splits.test) == ("hub", ["neg", "pos"], None)
    assert len(registry.load(spec).splits["test"]) == 30


def test_refusals(folder: Path, tmp_path: Path) -> None:
    path = folder / "rows.csv"
    data().to_csv(path, index=False)
    made = draft("mine", str(path), folder)
    write(made, folder)
    with pytest.raises(InputError, match="exists already"):
        write(made, folder)
    write(made, folder, force=True)
    for name in ("Mine", "a_b", "-a", "a--b", "../a", ""):
        with pytest.raises(InputError, match="a task's name"):
            draft(name, str(path), folder)
    with pytest.raises(InputError, match="task of the catalog"):
        write(draft("bbc-news", str(path), folder), folder, force=True)
    (folder / "other.yml").write_text(made.text)
    (folder / "words.yaml").write_text(f"{made.text}family:\n  - name: words-few\n")
    for name in ("other", "words-few"):
        with pytest.raises(InputError, match=naming("called", name, "other.yml" if name == "other" else "words.yaml")):
            write(draft(name, str(path), folder), folder, force=True)
    assert "mine" in registry.names([folder])
    for origin in ("nowhere.csv", "no where", "a/b/c"):
        with pytest.raises(InputError, match="no such file"):
            draft("mine", origin, folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no data"):
        draft("mine", str(tmp_path / "empty"), folder)


def word_lengths(texts: list[str], **_: object) -> dict[str, list[list[str]]]:
    return {"input_ids": [text.split() for text in texts]}


word_lengths.name_or_path = "tiny"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    from adapter_workbench.experiments.cli import main

    monkeypatch.setattr(sys, "argv", ["workbench", "tasks", *arguments])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder.parent)
    data().to_csv("rows.csv", index=False)
    assert run(monkeypatch, "new", "mine", "--from", "rows.csv") == 0
    assert capsys.readouterr().out.rstrip().endswith("workbench train mine --method lora")
    assert run(monkeypatch, "new", "mine", "--from", "rows.csv") == 2
    assert "--force" in capsys.readouterr().err
    assert run(monkeypatch, "new", "mine", "--from", "rows.csv", "--force") == 0
    capsys.readouterr()
    assert run(monkeypatch, "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"mine", "bbc-news", "20news-3"} <= {entry["name"] for entry in listed}
    assert all(entry["description"] for entry in listed)
    assert run(monkeypatch, "show", "mine", "--json") == 0
    assert json.loads(capsys.readouterr().out)["columns"] == {"text": "text", "label": "label"}
    assert run(monkeypatch, "check", "mine", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["splits"]["test"]["label_counts"] == {"no": 2, "true": 2, "yes": 2}
    monkeypatch.setattr(
        "adapter_workbench.workbench.backbone.names.open_backbone", lambda name: SimpleNamespace(tokenizer=word_lengths)
    )
    assert run(monkeypatch, "check", "mine", "--backbone", "tiny", "--max-length", "6", "--json") == 0
    assert json.loads(capsys.readouterr().out)["splits"]["test"]["tokens"]["cut"] == 1.0
    assert run(monkeypatch, "check", "mine", "--backbone", "tiny") == 0
    assert "over 128" in capsys.readouterr().out
    assert run(monkeypatch, "check", "mine", "--max-length", "6") == 2
    assert "--max-length needs" in capsys.readouterr().err
    assert run(monkeypatch, "check", "mine") == 0
    assert "Always answering" in capsys.readouterr().out
    assert run(monkeypatch, "show", "mime") == 2
    assert "Did you mean mine" in capsys.readouterr().err


def test_one_unfit_file_does_not_hide_the_other_tasks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.yaml").write_text("descriptoin: d\n")
    assert run(monkeypatch, "list", "--tasks", str(folder), "--json") == 0
    captured = capsys.readouterr()
    names = {entry["name"] for entry in json.loads(captured.out)}
    assert ("bbc-news" in names, "bad" in names) == (True, False)
    assert captured.err.startswith("Not readable: ")
    assert "bad.yaml" in captured.err


def test_check_exits_with_2_on_data_that_do_not_fit(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data().to_csv(folder / "rows.csv", index=False)
    (folder / "bad.yaml").write_text("description: d\nfiles: {data: rows.csv}\ncolumns: {text: nothing}\n")
    assert run(monkeypatch, "check", "bad", "--tasks", str(folder), "--json") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "bad.yaml, line 3: split 'data' has no column 'nothing'" in captured.err
    (folder / "bad.yaml").write_text("descriptoin: d\n")
    with pytest.raises(SettingsError, match="Did you mean description"):
        registry.find("bad", [folder])


def test_characters_that_show_the_encoding_are_seen(call: Call, folder: Path) -> None:
    rows = [f"You won £{n}, call now,spam" if n % 40 == 7 else f"see you at {n},ham" for n in range(400)]
    rows[8] = f"{'far away ' * 20}£5,spam"
    rows = ["text,label", *(row.replace(", ", " ") for row in rows)]
    (folder / "rows.csv").write_bytes("\n".join(rows).encode("cp1252"))
    code, out, err = call("tasks", "new", "mine", "--from", str(folder / "rows.csv"), "--tasks", str(folder))
    assert code == 0, err
    assert "Characters beyond ASCII: £ 11   (--encoding NAME" in out
    assert [line.split()[2] for line in out.splitlines() if line.startswith("You won")] == ["£7", "£47"]
    made = draft("mine", str(folder / "rows.csv"), folder)
    assert [row["text"][:7] for row in made.examples] == ["see you"] * 3 + ["You won"] * 2


def test_texts_of_folders_are_judged_together(folder: Path) -> None:
    for n, text in enumerate(["plain", "koszt 5 zł", "więcej: żółw, gęś", "łąka", "jaźń"] * 8):
        path = folder / "texts" / "ab"[n % 2] / f"{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("cp1250"))
    assert "encoding: cp1250" in draft("mine", str(folder / "texts"), folder).text


def test_one_text_in_another_encoding_leaves_the_others_as_they_are(folder: Path) -> None:
    for n in range(61):
        path = folder / "texts" / "ab"[n % 2] / f"{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"Größe und Tür {n}".encode("cp1252" if n == 60 else "utf-8"))
    made = draft("mine", str(folder / "texts"), folder)
    assert "encoding: cp1252" in made.text
    write(made, folder)
    task = registry.load(registry.find("mine", [folder]))
    assert {row["text"] for rows in task.splits.values() for row in rows} == {f"Größe und Tür {n}" for n in range(61)}


def test_tables_of_two_encodings_are_refused_unless_one_is_ascii(folder: Path) -> None:
    source = folder.parent / "splits"
    source.mkdir()
    lines = [f"Größe und Tür {n},{'ab'[n % 2]}" for n in range(40)]
    (source / "train.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    (source / "test.csv").write_text("\n".join(["text,label", *lines]), encoding="cp1252")
    with pytest.raises(InputError, match=naming("train.csv is UTF-8 and test.csv is cp1252")):
        draft("mine", str(source), folder)
    (source / "train.csv").write_text("\n".join(["text,label", *(line[-4:] for line in lines)]), encoding="utf-8")
    assert "encoding: cp1252" in draft("mine", str(source), folder).text
