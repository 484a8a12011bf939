"""Prompts that columns are set into, and answers that have words of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from adapter_workbench.workbench.errors import DataError, SettingsError
from adapter_workbench.workbench.methods.task import Task

FILE = """kind: seq2seq
files: {data: rows.csv}
columns: {text: [question, hint], answer: result}
prompt: "{hint}? {question}! {hint}."
answers: {"1": "yes", "0": "no"}
"""
ROWS = ["question,hint,result", *(f"q{n},h{n},{n % 2}" for n in range(40))]
Load = Callable[[str, Sequence[str]], Task]


def rows_of(task: Task) -> dict[str, str]:
    return {row["text"]: row["answer"] for split in task.splits.values() for row in split}


def test_columns_have_places_and_answers_have_words(load: Load) -> None:
    rows = rows_of(load(FILE, ROWS))
    assert rows == {f"h{n}? q{n}! h{n}.": ("no", "yes")[n % 2] for n in range(40)}


def test_what_stands_in_a_column_is_no_place(load: Load) -> None:
    assert "h? {hint}! h." in rows_of(load(FILE, [*ROWS, "{hint},h,1"]))


def test_a_row_without_any_text_is_dropped_and_one_without_an_answer_refused(load: Load) -> None:
    task = load(FILE, [*ROWS, " ,,1"])
    assert len(rows_of(task)) == 40
    assert "1 rows without a text" in task.origin
    with pytest.raises(DataError, match="1 of 41 rows of split 'data' have no answer"):
        load(FILE, [*ROWS, "q,h,"])


def test_an_answer_without_words_is_told(load: Load) -> None:
    with pytest.raises(DataError) as error:
        load(FILE, [*ROWS, "q,h,2"])
    message = "1 of 41 rows of split 'data' have an answer that `answers` has no words for (rows data-40)"
    assert message in str(error.value)
    assert "It has words for 1, 0; the data have 2." in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FILE.replace(" {hint}.", "").replace("{hint}? ", ""), "`columns.text`: {question}, {hint}"),
        (FILE.replace("{question}!", "{question}! {result}"), "`columns.text`: {question}, {hint}"),
        (
            "files: {data: rows.csv}\ncolumns: {text: question, label: result}\nprompt: '{question}'",
            "prompt have no meaning here",
        ),
        (FILE.replace('"yes"', "yes"), "answers"),
    ],
)
def test_files_that_do_not_fit(load: Load, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(text, ROWS)
    assert expected in str(error.value)


def test_numbers_of_32_bits_are_written_short(load: Load, folder: Path) -> None:
    (folder / "made.py").write_text(
        "from datasets import Dataset, Features, Value\n"
        "def rows():\n"
        "    numbers = [3.8, 4.0, 4.25, 0.2] * 10\n"
        "    texts = [f't{n}' for n in range(40)]\n"
        "    features = Features({'text': Value('string'), 'score': Value('float32')})\n"
        "    return Dataset.from_dict({'text': texts, 'score': numbers}, features=features)\n",
        encoding="utf-8",
    )
    file = "kind: seq2seq\npython: {function: 'made:rows'}\ncolumns: {text: text, answer: score}\nmetric: numeric-match"
    assert set(rows_of(load(file, ROWS)).values()) == {"3.8", "4", "4.25", "0.2"}
