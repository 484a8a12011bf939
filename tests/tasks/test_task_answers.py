"""Tasks whose answers are free text: read, split, judged, checked and drafted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapter_workbench.tasks.drafting.check import check
from adapter_workbench.tasks.drafting.draft import draft, write
from adapter_workbench.tasks.drafting.found_data import data_at
from adapter_workbench.tasks.drafting.guess import GivenColumns, guess_columns
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.rows.fingerprint import fingerprint
from adapter_workbench.tasks.sources import SOURCES, reasoning_gym
from adapter_workbench.workbench.backbone.prompts import prompts
from adapter_workbench.workbench.errors import DataError, InputError, SettingsError
from adapter_workbench.workbench.methods.task import SPLITS, Task
from tests.messages import naming

FILE = "kind: causal-lm\nfiles: {data: rows.csv}\ncolumns: {text: text, answer: result}\n"
SUMS = ["text,result", *(f"What is {n} + {n}?,{2 * n}" for n in range(40))]
Load = Callable[[str, Sequence[str]], Task]


def test_a_file_with_answers_becomes_a_task(load: Load) -> None:
    task = load(FILE + "metric: numeric-match\nmax_new_tokens: 6", SUMS)
    assert (task.kind, task.labels, task.metric, task.max_new_tokens, task.pair) == (
        "causal-lm",
        (),
        "numeric-match",
        6,
        False,
    )
    assert {split: len(rows) for split, rows in task.splits.items()} == {"train": 28, "validation": 4, "test": 8}
    assert task.splits["train"].column_names == ["id", "text", "answer", "metric", "max_new_tokens"]
    every = {row["text"]: row["answer"] for rows in task.splits.values() for row in rows}
    assert every == {f"What is {n} + {n}?": str(2 * n) for n in range(40)}


def test_what_a_file_need_not_say(load: Load) -> None:
    task = load(FILE, SUMS)
    assert (task.metric, task.max_new_tokens) == ("exact-match", 32)


def test_the_fingerprint_covers_answers_metric_and_length(load: Load) -> None:
    variants = [FILE, f"{FILE}metric: rouge-l", f"{FILE}max_new_tokens: 8"]
    fingerprints = [load(text, SUMS).fingerprint for text in variants]
    fingerprints.append(load(FILE, [*SUMS[:-1], "What is 39 + 39?,79"]).fingerprint)
    assert len(set(fingerprints)) == 4
    assert load(FILE, SUMS).fingerprint == fingerprints[0]


def test_the_fingerprint_of_labelled_rows_is_what_it_was() -> None:
    # computed with the version that knew no free answers
    table = pa.table({"id": ["a"], "text": ["b c"], "label": pa.array([1], pa.int64())})
    digest = fingerprint("classification", ("x", "y"), dict.fromkeys(SPLITS, table))
    assert digest == "8df04260b7dbae5d397476f132662e0a562d986b36239e9e080b4e57000b6460"


def test_equal_prompts_stay_on_one_side(load: Load) -> None:
    rows = ["text,result", *(f"{'Q' if n % 2 else 'q'}uestion {n // 2},{n}" for n in range(200))]
    task = load(FILE, rows)
    report = check(task)
    assert [shared["count"] for shared in report["leakage"].values()] == [0, 0, 0]
    assert report["conflicts"]["count"] == 100, "each prompt stands with two answers"
    assert sum(len(task.splits[split]) for split in SPLITS) == 200


@pytest.mark.parametrize(
    ("text", "rows", "expected"),
    [
        (FILE, ["text,result", "a,", "b,x", "c, "], "2 of 3 rows of split 'data' have no answer (rows data-0, data-2)"),
        (
            f"{FILE}metric: numeric-match",
            ["text,result", "a,four", "b,4"],
            "(rows data-0)",
        ),
        (FILE.replace("result", "resul"), SUMS, "has no column 'resul'"),
    ],
)
def test_rows_that_do_not_fit(load: Load, text: str, rows: list[str], expected: str) -> None:
    with pytest.raises(DataError) as error:
        load(text, rows)
    assert expected in str(error.value)
    assert "mine.yaml, line 4" in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FILE.replace(", answer: result", ""), "a causal-lm task needs `columns.answer`"),
        (FILE.replace("kind: causal-lm\n", ""), "`columns.answer` belongs to `kind: causal-lm`"),
        (FILE.replace("answer: result", "answer: result, label: text"), "not `label` or `text_pair`"),
        (f"{FILE}labels: [a, b]", "labels have no meaning here"),
        (f"{FILE}metric: bleu", "'exact-match', 'numeric-match' or 'rouge-l'"),
        (f"{FILE}max_new_tokens: 0", "greater than or equal to 1"),
        (
            "files: {data: rows.csv}\ncolumns: {text: t}\nmetric: rouge-l",
            "metric have no meaning here",
        ),
    ],
)
def test_files_that_do_not_fit(load: Load, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(text, SUMS)
    assert expected in str(error.value)


def test_what_is_counted(load: Load, llama: Path) -> None:
    from adapter_workbench.workbench.backbone.names import open_backbone

    rows = ["text,result", *(f"the cat {'very ' * (n % 5)}{n},{'cat dog plum' if n % 4 else 'fig'}" for n in range(40))]
    task, tokenizer = load(f"{FILE}max_new_tokens: 3", rows), open_backbone(str(llama)).tokenizer
    report = check(task, tokenizer, 8)
    assert (report["labels"], report["metric"], report["max_new_tokens"]) == ([], "exact-match", 3)
    train = task.splits["train"]
    counts = pd.Series(train["answer"][:]).value_counts()
    assert report["splits"]["train"]["answers"] == {"distinct": 2, "most_frequent": counts.to_dict()}
    assert report["splits"]["train"]["label_counts"] == {}
    lengths = [
        len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in prompts(train["text"], tokenizer)
    ]
    tokens = report["splits"]["train"]["tokens"]
    assert tokens["answer_max"] == 4, "three words and the end"
    assert tokens["answers_cut"] == pytest.approx((pd.Series(train["answer"][:]) == "cat dog plum").mean())
    assert tokens["cut"] == pytest.approx(sum(length > 8 - 3 for length in lengths) / len(lengths))
    test = task.splits["test"]["answer"][:]
    assert report["majority"] == pytest.approx(test.count("cat dog plum") / len(test))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"question": [f"What is {n}?" for n in range(30)], "answer": range(30)}, ("question", None, "answer")),
        (
            {"instruction": [f"say {n}" for n in range(30)], "output": map(str, range(30))},
            ("instruction", None, "output"),
        ),
        ({"question": [f"q {n}" for n in range(30)], "answer": ["yes", "no"] * 15}, ("question", "answer", None)),
    ],
)
def test_guesses(columns: dict[str, list], expected: tuple[str, str | None, str | None]) -> None:
    guess = guess_columns(
        pd.DataFrame({name: list(values) for name, values in columns.items()}), "rows.csv", GivenColumns()
    )
    assert (guess.text, next(iter(guess.label), None), guess.answer) == expected


@pytest.mark.parametrize(
    ("answers", "metric"),
    [
        ([str(n) for n in range(30)], "numeric-match"),
        ([f"word{n % 7} {n}x" for n in range(30)], "numeric-match"),
        ([f"word {'abcdefghij'[n % 10]}" for n in range(30)], "exact-match"),
        ([f"this is a long sentence with many words in it {n}" for n in range(30)], "rouge-l"),
    ],
)
def test_a_draft_loads(folder: Path, answers: list[str], metric: str) -> None:
    path = folder.parent / "rows.csv"
    pd.DataFrame({"text": [f"text {n}" for n in range(30)], "result": answers}).to_csv(path, index=False)
    made = draft("mine", data_at(str(path), folder), GivenColumns(answer="result"))
    write(made, folder)
    task = registry.load(registry.find("mine", [folder]))
    assert (task.kind, task.metric) == ("causal-lm", metric)
    assert made.columns.answer == "result"
    with pytest.raises(InputError, match="--answer goes without --label"):
        draft("mine", data_at(str(path), folder), GivenColumns(answer="result", label=("text",)))


def test_a_draft_of_an_answer_column_that_is_empty(folder: Path) -> None:
    path = folder.parent / "rows.csv"
    pd.DataFrame({"text": [f"text {n}" for n in range(30)], "result": [" "] * 30}).to_csv(path, index=False)
    made = draft("mine", data_at(str(path), folder), GivenColumns(answer="result"))
    assert made.findings.unlabelled == 30
    assert "metric: exact-match" in made.text
    assert "max_new_tokens: 32" in made.text


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_large_numbers_stay_what_they_are_where_a_row_has_none(folder: Path, suffix: str) -> None:
    large = 2**53 + 1  # the first whole number that is no float
    rows = [{"text": f"text {n}", "result": large + n} for n in range(40)] + [{"text": "x", "result": None}]
    path = folder / f"rows.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)) if suffix == "jsonl" else json.dumps(rows))
    text = f"description: d\n{FILE}on_missing: drop\n".replace("rows.csv", f"rows.{suffix}, format: {suffix}")
    (folder / "mine.yaml").write_text(text)
    task = registry.load(registry.find("mine", [folder]))
    every = {row["text"]: row["answer"] for split in task.splits.values() for row in split}
    assert every == {f"text {n}": str(large + n) for n in range(40)}


def test_numbers_of_a_nullable_column_are_answers(folder: Path) -> None:
    numbers = pd.array([*range(40), None], dtype="Int64")
    pd.DataFrame({"text": [f"text {n}" for n in range(41)], "result": numbers}).to_parquet(folder / "rows.parquet")
    text = f"description: d\n{FILE}".replace("csv", "parquet")
    (folder / "mine.yaml").write_text(text)
    with pytest.raises(DataError, match="1 of 41 rows of split 'data' have no answer"):
        registry.load(registry.find("mine", [folder]))
    (folder / "mine.yaml").write_text(f"{text}on_missing: drop\n")
    task = registry.load(registry.find("mine", [folder]))
    assert {row["answer"] for split in task.splits.values() for row in split} == {str(n) for n in range(40)}


def rows_of(**settings: object) -> pd.DataFrame:
    source = SOURCES.get("reasoning-gym")
    frame = source.read(source.settings.model_validate(settings), Path())["data"]
    assert isinstance(frame, pd.DataFrame)
    return frame


def test_problems_of_reasoning_gym_are_right_and_the_same_each_time() -> None:
    config = {"min_terms": 2, "max_terms": 2, "max_digits": 2}
    first = rows_of(dataset="chain_sum", size=30, seed=1, config=config)
    assert first.equals(rows_of(dataset="chain_sum", size=30, seed=1, config=config))
    assert not first.equals(rows_of(dataset="chain_sum", size=30, seed=2, config=config))
    for question, answer in first.itertuples(index=False):
        *_, left, sign, right, _ = question.split()
        assert int(answer) == int(left) + int(f"{sign}{right}"), question
    assert first["question"].is_unique


def test_what_reasoning_gym_refuses() -> None:
    source = SOURCES.get("reasoning-gym")
    with pytest.raises(InputError, match="Did you mean chain_sum"):
        rows_of(dataset="chain_summ")
    with pytest.raises(DataError, match="unexpected keyword argument 'digits'"):
        rows_of(dataset="chain_sum", config={"digits": 2})
    with pytest.raises(ValueError, match="size belong beside `config`"):
        source.settings.model_validate({"dataset": "chain_sum", "config": {"size": 3}})


def test_a_generator_that_ends_without_a_word_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasoning_gym, "wheel_member", lambda *_: Path("wheel"))
    monkeypatch.setattr(reasoning_gym.subprocess, "run", lambda *_, **__: CompletedProcess([], -9, "", ""))
    with pytest.raises(DataError, match=naming("chain_sum", "made no problems", "-9")):
        rows_of(dataset="chain_sum")


@pytest.mark.parametrize(
    ("code", "said"), [("while True: pass", "more than 1 seconds"), ("bytearray(1 << 40)", "more than 2 GiB of memory")]
)
def test_a_generator_that_a_task_file_lets_run_wild_is_ended(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = tmp_path / "reasoning_gym" / "wild" / "wild.py"
    generator.parent.mkdir(parents=True)
    generator.write_text('DATASET_NAME = "wild"\n')
    (tmp_path / "reasoning_gym" / "factory.py").write_text(f"def create_dataset(name, **config):\n    {code}\n")
    monkeypatch.setattr(reasoning_gym, "wheel_member", lambda *_: tmp_path / "reasoning_gym")
    monkeypatch.setattr(reasoning_gym, "SECONDS", 1)
    with pytest.raises(DataError, match=naming("reasoning-gym wild", "made no problems", said)):
        rows_of(dataset="wild", size=1)


@pytest.mark.parametrize("name", registry.families()["reasoning-gym"])
def test_the_family_s_members_are_sound(name: str) -> None:
    task = registry.load(registry.find(name))
    report = check(task)
    assert len(task.splits["train"]) >= 300
    assert len(task.splits["test"]) >= 100
    assert all(shared["count"] == 0 for shared in report["leakage"].values()), "no problem stands in two splits"
    assert report["majority"] < 0.65
    again = registry.load(registry.find(name))
    assert again.fingerprint == task.fingerprint
