"""Drafts of every kind of task: guessed from the data, set by flags, asked about in a terminal; every draft loads."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from adapter_workbench.tasks.drafting.draft import draft, write
from adapter_workbench.tasks.drafting.found_data import data_at
from adapter_workbench.tasks.drafting.guess import GivenColumns, consider, guess_columns
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.task import Task
from tests.conftest import Call

TEXTS = [f"this is the text of row {n}" for n in range(40)]
MARKED = [
    ("EU rejects call", "B-ORG O O"),
    ("Peter left", "B-PER O"),
    ("rain", "O"),
    ("they met Ada", "O O B-PER"),
] * 10
WORDS = [[*words.split(), f"no{n}"] for n, (words, _) in enumerate(MARKED)]
TAGS = [[*tags.split(), "O"] for _, tags in MARKED]
SETS = [["war", "art"], ["war"], ["art", "sea"], [], ["sea", "war"]] * 8
JOINED = [", ".join(labels) for labels in SETS]
FRACTIONS = [n % 9 + 0.25 for n in range(40)]
INDICATORS = {name: [int(name in labels) for labels in SETS] for name in ("war", "art", "sea")}

# raw columns → kind, text, second text, label columns, answer
CASES = {
    "classification": ({"text": TEXTS, "label": ["a", "b"] * 20}, ("classification", "text", None, ("label",), None)),
    "a pair": (
        {"premise": TEXTS, "hypothesis": TEXTS[::-1], "label": [0, 1] * 20},
        ("classification", "premise", "hypothesis", ("label",), None),
    ),
    "lists of labels": ({"text": TEXTS, "topics": SETS}, ("multilabel", "text", None, ("topics",), None)),
    "labels in a string": ({"text": TEXTS, "topics": JOINED}, ("multilabel", "text", None, ("topics",), None)),
    "label columns": ({"text": TEXTS, **INDICATORS}, ("multilabel", "text", None, ("war", "art", "sea"), None)),
    "a number": ({"text": TEXTS, "weight": FRACTIONS}, ("regression", "text", None, ("weight",), None)),
    "a number for a pair": (
        {"sentence1": TEXTS, "sentence2": TEXTS[::-1], "score": FRACTIONS, "genre": ["a", "b"] * 20},
        ("regression", "sentence1", "sentence2", ("score",), None),
    ),
    "tags": ({"tokens": WORDS, "ner_tags": TAGS}, ("token-classification", "tokens", None, ("ner_tags",), None)),
    "tags in strings": (
        {"line": [" ".join(words) for words in WORDS], "mark": [" ".join(tags) for tags in TAGS]},
        ("token-classification", "line", None, ("mark",), None),
    ),
    "an instruction": (
        {"instruction": TEXTS, "output": [f"say {n}" for n in range(40)]},
        ("causal-lm", "instruction", None, (), "output"),
    ),
    "a summary": (
        {"article": TEXTS, "summary": [f"row {n}" for n in range(40)]},
        ("seq2seq", "article", None, (), "summary"),
    ),
}


def made_task(frame: pd.DataFrame, folder: Path, given: GivenColumns) -> Task:
    path = folder.parent / "rows.parquet"
    frame.to_parquet(path)
    write(draft("mine", data_at(str(path), folder), given), folder, force=True)
    return registry.load(registry.find("mine", [folder]))


@pytest.mark.parametrize("case", CASES)
def test_kind_and_columns_are_guessed_and_the_draft_loads(case: str, folder: Path) -> None:
    columns, expected = CASES[case]
    guess = guess_columns(pd.DataFrame(columns), "rows", GivenColumns())
    assert (guess.kind, guess.text, guess.text_pair, guess.label, guess.answer) == expected
    task = made_task(pd.DataFrame(columns), folder, GivenColumns())
    assert (task.kind, task.pair) == (expected[0], expected[2] is not None)
    assert KINDS.get(task.kind).target in task.splits["train"].column_names
    if "multilabel" in expected:
        assert set(task.labels) == {"war", "art", "sea"}


def test_every_kind_is_among_the_cases() -> None:
    assert {expected[0] for _, expected in CASES.values()} == set(KINDS.names())


FLAGS = {
    "stars are numbers": ({"text": TEXTS, "stars": [1, 2, 3, 4] * 10}, GivenColumns(kind="regression"), "regression"),
    "an answer for an encoder-decoder": (
        {"instruction": TEXTS, "output": [f"say {n}" for n in range(40)]},
        GivenColumns(kind="seq2seq"),
        "seq2seq",
    ),
    "another separator": (
        {"text": TEXTS, "about": ["a/b", "b", "a", "b/c"] * 10},
        GivenColumns(label=("about",), separator="/"),
        "multilabel",
    ),
    "two columns of labels": (
        {"text": TEXTS, "spam": [0, 1] * 20, "rude": [1, 0, 0, 1] * 10},
        GivenColumns(label=("spam", "rude")),
        "multilabel",
    ),
    "the other tags": (
        {"tokens": WORDS, "ner_tags": TAGS, "pos_tags": [["X"] * len(words) for words in WORDS]},
        GivenColumns(label=("ner_tags",), text="tokens"),
        "token-classification",
    ),
}


@pytest.mark.parametrize("case", FLAGS)
def test_flags_overrule_the_guess(case: str, folder: Path) -> None:
    columns, given, kind = FLAGS[case]
    task = made_task(pd.DataFrame(columns), folder, given)
    assert task.kind == kind
    if given.separator:
        assert task.labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (GivenColumns(kind="classificaton"), "Did you mean classification"),
        (GivenColumns(kind="regression", answer="output"), "--answer is not for regression"),
        (GivenColumns(kind="causal-lm", label=("output",)), "causal-lm task has free answers"),
        (GivenColumns(kind="regression", label=("instruction", "output")), "one label column"),
        (GivenColumns(kind="classification", separator=";"), "--separator parts several labels"),
        (GivenColumns(kind="token-classification", text_pair="output"), "has one text"),
        (GivenColumns(kind="token-classification"), "which column"),
    ],
)
def test_flags_that_do_not_go_together(given: GivenColumns, message: str) -> None:
    frame = pd.DataFrame({"instruction": TEXTS, "output": [f"say {n}" for n in range(40)]})
    with pytest.raises(InputError, match=message):
        guess_columns(frame, "rows", given)


def test_what_the_data_do_not_tell_is_a_doubt() -> None:
    def doubts(**columns: list) -> dict[str, list[str]]:
        return {
            doubt.part: list(doubt.choices) for doubt in consider(pd.DataFrame(columns), "rows", GivenColumns()).doubts
        }

    assert doubts(text=TEXTS, label=["a", "b"] * 20) == {}
    assert doubts(text=TEXTS, stars=[1, 2, 3, 4] * 10) == {"kind": ["classification", "regression"]}
    assert doubts(text=TEXTS, team=["a", "b"] * 20, place=["x", "y", "z", "w"] * 10) == {"label": ["team", "place"]}
    assert doubts(title=TEXTS, body=[f"{text}!" for text in TEXTS], label=["a", "b"] * 20) == {
        "text": ["body", "title"]
    }
    assert doubts(question=TEXTS, answer=list(TEXTS[::-1])) == {"kind": ["causal-lm", "seq2seq"]}


def test_a_folder_laid_out_like_a_hub_repository(folder: Path) -> None:
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=["O", "B-ORG", "B-PER"]))})
    tags = [[["O", "B-ORG", "B-PER"].index(tag) for tag in row] for row in TAGS]
    rows = Dataset.from_dict({"tokens": WORDS, "ner_tags": tags}, features=features)
    data_folder = folder.parent / "repo" / "data"
    data_folder.mkdir(parents=True)
    for split, part in DatasetDict(train=rows, test=rows).items():
        part.to_parquet(data_folder / f"{split}-00000-of-00001.parquet")
    write(draft("mine", data_at(str(data_folder.parent), folder), GivenColumns()), folder)
    spec = registry.find("mine", [folder])
    assert (spec.source, spec.source_settings.id, spec.file.kind) == ("hub", "../repo", "token-classification")
    task = registry.load(spec)
    assert task.labels == ("B-ORG", "B-PER", "O")
    assert {split: len(dataset) for split, dataset in task.splits.items()} == {"train": 36, "validation": 4, "test": 40}


@pytest.fixture
def workbench(call: Call, monkeypatch: pytest.MonkeyPatch, folder: Path):
    """Run ``workbench tasks new mine …`` as in a terminal whose person types ``typed``; return exit code and output."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)

    def new(*arguments: str, typed: list[str] | None = None) -> tuple[int, str]:
        answers = iter(typed or [])
        monkeypatch.setattr("builtins.input", lambda prompt="": next(answers))
        for stream in (sys.stdin, sys.stdout):
            monkeypatch.setattr(stream, "isatty", lambda: typed is not None, raising=False)
        code, out, _ = call("tasks", "new", "mine", *arguments)
        assert not list(answers), "every answer was asked for"
        return code, re.sub(r"\x1b\[[0-9;]*m", "", out)

    return new


def test_a_conversation(workbench, folder: Path) -> None:
    frame = pd.DataFrame({"title": TEXTS, "body": [f"{text}!" for text in TEXTS], "stars": [1, 2, 3, 4] * 10})
    frame.to_csv("rows.csv", index=False)
    code, out = workbench("--from", "rows.csv", typed=["regression", "title", "How much they liked it", "y"])
    assert code == 0
    assert "[classification/regression] (classification)" in out
    assert "this is the text of row 2" in out, "three rows are shown"
    spec = registry.find("mine", [folder / "tasks"])
    assert (spec.file.kind, spec.file.columns.text, spec.description) == (
        "regression",
        "title",
        "How much they liked it",
    )
    assert out.rstrip().endswith("workbench train mine --method lora")


def test_a_conversation_that_ends_without_a_file(workbench, folder: Path) -> None:
    pd.DataFrame({"text": TEXTS, "label": ["a", "b"] * 20}).to_csv("rows.csv", index=False)
    code, out = workbench("--from", "rows.csv", typed=["", "n"])
    assert (code, "Nothing was written." in out) == (0, True)
    assert not (folder / "tasks").exists()


def test_what_cannot_be_told_is_asked_for(workbench, folder: Path) -> None:
    pd.DataFrame({"body": TEXTS, "reaction": TEXTS[::-1]}).to_csv("rows.csv", index=False)
    code, _ = workbench("--from", "rows.csv", typed=["reaction", "causal-lm", "", "y"])
    assert code == 0
    assert registry.find("mine", [folder / "tasks"]).file.columns.answer == "reaction"


def test_flags_ask_nothing_even_in_a_terminal(workbench) -> None:
    pd.DataFrame({"text": TEXTS, "stars": [1, 2, 3, 4] * 10}).to_csv("rows.csv", index=False)
    assert workbench("--from", "rows.csv", "--kind", "regression", typed=[])[0] == 0
    assert workbench("--from", "rows.csv", "--yes", "--force", typed=[])[0] == 0


def test_a_notebook_is_not_asked_though_it_looks_like_a_terminal(workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_PARENT_PID", "1")  # Jupyter sets it for every kernel
    pd.DataFrame({"text": TEXTS, "label": ["a", "b"] * 20}).to_csv("rows.csv", index=False)
    assert workbench("--from", "rows.csv", typed=[])[0] == 0


def test_data_that_are_not_ready_are_said_at_once(workbench, folder: Path) -> None:
    pd.DataFrame({"text": TEXTS, "label": ["a", "b", "", "a"] * 10}).to_csv("rows.csv", index=False)
    code, out = workbench("--from", "rows.csv")
    assert code == 0
    assert "10 of 40 rows of split 'data' have no label" in out
    assert "workbench train" not in out
    assert (folder / "tasks" / "mine.yaml").is_file()
