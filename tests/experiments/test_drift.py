"""`workbench drift`: rows like those of a task are the task; other texts, labels and answers are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adapter_workbench.experiments.answers.drift.bounds import DriftBounds
from adapter_workbench.experiments.answers.drift.result import Drift
from adapter_workbench.experiments.answers.drift.signals import Signal, _higher_share
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.terminal.drift import _finding
from adapter_workbench.workbench.machine.listener import Silent
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call

BUDGET = {"epochs": 3, "batch_size": 8, "max_length": 16, "precision": "fp32"}
TASKS = {  # name → its task file
    "nouns": "columns: {text: words, label: noun}\nlabels: {a: animal, f: fruit}",
    "weights": "kind: regression\ncolumns: {text: words, label: weight}",
    "sets": "kind: multilabel\ncolumns: {text: words, label: about, separator: ';'}",
    "tags": "kind: token-classification\ncolumns: {text: words, label: tags}",
    "spoken": "kind: causal-lm\ncolumns: {text: words, answer: noun}\nmax_new_tokens: 2",
}


ELSEWHERE = "columns: {text: words, label: noun}\nlabels: {r: river, s: sea}"  # another task, of other words


def table(first: int = 0, times: int = 20) -> pd.DataFrame:
    """Return rows in which the noun says everything; with another ``first`` they are others of the same."""
    rows = []
    for number in range(first, first + times * len(FILLERS)):
        filler, other = FILLERS[number % len(FILLERS)], FILLERS[(number // len(FILLERS)) % len(FILLERS)]
        for noun in (SUBJECTS[number % 8], FRUITS[number % 8]):
            letter = "a" if noun in SUBJECTS else "f"
            about = {"a": "animal;alive", "f": "fruit"}[letter]
            tags = f"O {'B-A' if letter == 'a' else 'B-F'} O O"
            rows.append((f"{filler} {noun} {other} {number}", letter, about, 2.0 + number % 7, tags))
    return pd.DataFrame(rows, columns=["words", "noun", "about", "weight", "tags"])


def same() -> pd.DataFrame:
    """Return new rows that are drawn as those of the tasks."""
    return table(first=1000).sample(100, random_state=0, ignore_index=True)


def foreign() -> pd.DataFrame:
    """Return rows of a task that say one noun again and again."""
    nouns = [*SUBJECTS, *FRUITS]
    rows = [(" ".join([nouns[number % len(nouns)]] * 6 + [str(number)]), "rs"[number % 2]) for number in range(150)]
    return pd.DataFrame(rows, columns=["words", "noun"])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, bert: Path, llama: Path) -> Workbench:
    """A workspace with an adapter of each task, hardly trained."""
    root = tmp_path_factory.mktemp("drift")
    (root / "tasks").mkdir()
    table().to_csv(root / "tasks/rows.csv", index=False)
    foreign().to_csv(root / "tasks/foreign.csv", index=False)
    bench = Workbench(root / "ws", [root / "tasks"])
    for name, text in {**TASKS, "waters": ELSEWHERE}.items():
        rows = "foreign" if name == "waters" else "rows"
        file = f"description: made in tests\nfiles: {{data: {rows}.csv}}\n{text}\n"
        (root / f"tasks/{name}.yaml").write_text(file, encoding="utf-8")
        backbone = str(llama if name == "spoken" else bert)
        lesson = bench.lesson(name, "lora", backbone, learning_rate=0.02, budget=BUDGET)
        bench.workspace.trained_adapter(lesson, Silent(), "")
    return bench


@pytest.fixture
def drift(bench: Workbench, call: Call) -> Call:
    """Run ``workbench drift …`` beside ``same.csv``, rows of the task, and ``other.csv``, rows of another."""
    same().to_csv("same.csv", index=False)
    foreign().assign(noun="a").to_csv("other.csv", index=False)
    places = ["--workspace", str(bench.workspace.root), "--tasks", str(bench.task_folders[0])]
    return lambda *arguments: call("drift", *arguments, *places)


def test_rows_of_the_task_are_still_the_task(drift: Call) -> None:
    code, out, err = drift("nouns", "--file", "same.csv", "--label-column", "noun")
    assert code == 0, err
    assert out.startswith("Still the task")
    assert "100 new rows and 80 test rows" in out
    code, out, err = drift("nouns", "--file", "same.csv", "--json")
    document = json.loads(out)
    assert (code, document["verdict"], document["beyond"]) == (0, "still the task", [])
    assert (document["rows"], document["total"], document["held_out"]) == (100, 100, 80)
    signals = document["signals"]
    assert signals["accuracy"] is signals["labels"] is None, "nobody gave labels"
    assert {name for name, signal in signals.items() if signal} == {
        *("answers", "confidence", "features", "elsewhere", "unknown")
    }
    smallest = min(signal["p"] for signal in signals.values() if signal)
    assert min(signal["adjusted"] for signal in signals.values() if signal) == min(1, 5 * smallest), "Holm 1979"


def test_rows_of_another_task_are_an_alarm_that_says_what_was_found(drift: Call) -> None:
    code, out, err = drift("nouns", "--file", "other.csv", "--label-column", "noun")
    assert code == 3
    assert out.startswith("No longer nouns: at least about ")
    assert "would go to another task" in out
    assert "Like nothing known" in out
    assert "features" in err and "elsewhere" in err
    document = json.loads(drift("nouns", "--file", "other.csv", "--label-column", "noun", "--json")[1])
    assert {"features", "elsewhere", "unknown", "labels"} <= {*document["beyond"]}
    far = document["far"]
    assert len(far) == 5
    assert far[0]["text"] == foreign()["words"][far[0]["row"] - 1], "rows are counted from 1"
    assert far[0]["distance"] >= far[-1]["distance"] > 1
    accuracy = document["signals"]["accuracy"]
    assert accuracy["low"] <= accuracy["new"] - accuracy["reference"] <= accuracy["high"]


def test_a_label_that_the_task_does_not_have_is_answered_wrongly(drift: Call) -> None:
    frame = same()
    frame.loc[frame.index[:30], "noun"] = "stone"
    frame.to_csv("stones.csv", index=False)
    code, out, err = drift("nouns", "--file", "stones.csv", "--label-column", "noun", "--json")
    document = json.loads(out)
    assert code == 3, err
    assert document["left_out"] == {"without_label": 0, "unknown_labels": {"stone": 30}}
    assert document["signals"]["labels"]["shares"]["none of these labels"] == {"reference": 0.0, "new": 0.3}
    assert document["signals"]["accuracy"]["new"] <= 0.7
    assert {"accuracy", "labels"} <= {*document["beyond"]}
    code, out, _ = drift("nouns", "--file", "stones.csv", "--label-column", "noun", "--max-lost", "100")
    assert "≤ 100" in out
    assert "points (95 % interval [−" in out
    bounded = json.loads(
        drift("nouns", "--file", "stones.csv", "--label-column", "noun", "--max-lost", "9", "--json")[1]
    )
    assert bounded["signals"]["accuracy"]["p"] is None, "points that may be lost take the place of a test"
    assert "accuracy" in bounded["beyond"]


def test_how_much_has_drifted_is_said_and_may_be_allowed(drift: Call) -> None:
    """Two in ten rows are of another task, then all: of both an alarm, and of the first none with --max-foreign."""
    mixed = pd.concat([same()[:80], foreign()[:20].assign(noun="a")])
    mixed.to_csv("mixed.csv", index=False)
    code, out, err = drift("nouns", "--file", "mixed.csv")
    assert (code, out.startswith("Somewhat drifted: at least about ")) == (3, True), out
    assert "these rows have drifted somewhat" in err
    document = json.loads(drift("nouns", "--file", "mixed.csv", "--json")[1])
    assert (document["grade"], document["alarm"]) == ("somewhat", True)
    assert document["effect"] == max(document["signals"][name]["effect"] for name in document["beyond"])
    assert 0.05 < document["effect"] < 0.2, "20 % of the rows are of another task, and chance is subtracted"
    code, out, _ = drift("nouns", "--file", "mixed.csv", "--max-foreign", "25")
    assert code == 0
    assert "That is within --max-foreign 25." in out
    whole = json.loads(drift("nouns", "--file", "other.csv", "--max-foreign", "25", "--json")[1])
    assert (whole["grade"], whole["alarm"]) == ("no longer this task", True)
    assert whole["effect"] > 0.5
    code, _, err = drift("nouns", "--file", "mixed.csv", "--max-foreign", "-1")
    assert (code, "--max-foreign: percent lie between 0 and 100" in err) == (2, True)


def test_a_router_that_sends_test_rows_elsewhere_is_the_baseline() -> None:
    """83 % of the task's own test rows count for nothing: only what new rows have more is an effect."""
    signal = _higher_share("elsewhere", np.arange(100) < 90, np.arange(100) < 83)
    assert signal.effect == pytest.approx(0.07)
    assert _finding(signal) == (
        "90.0 % would go to another task, 83.0 % of the test rows (so the router hardly knows this task)."
    )


def test_lost_answers_are_an_alarm_however_many_foreign_rows_are_allowed() -> None:
    lost = Signal("accuracy", 0.9, 0.75, 1e-5, 1e-5, beyond=True, effect=0.15)
    others = Signal("unknown", 0.05, 0.15, 1e-5, 1e-5, beyond=True, effect=0.1)
    drift = Drift(
        "a-1", "a", "classification", DriftBounds(max_foreign=20), 200, 200, 200, 0, None, (lost, others), (), False
    )
    assert [signal.name for signal in drift.alarms] == ["accuracy"]


def test_few_rows_say_nothing_unless_they_say_much(drift: Call) -> None:
    same()[:20].to_csv("few.csv", index=False)
    code, out, _ = drift("nouns", "--file", "few.csv")
    assert (code, out[:22]) == (0, "Too few rows to say: 2")
    same()[:1].to_csv("few.csv", index=False)
    _, out, _ = drift("nouns", "--file", "few.csv")
    assert out.startswith("Too few rows to say: 1 new row, and")
    assert "Compared: 1 new row and 80 test rows" in out
    foreign()[:20].to_csv("few.csv", index=False)
    assert drift("nouns", "--file", "few.csv")[0] == 3


def test_of_many_rows_some_are_drawn_and_keep_their_numbers(drift: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter_workbench.experiments.answers.drift.new_rows.MOST", 60)
    document = json.loads(drift("nouns", "--file", "other.csv", "--json")[1])
    assert (document["rows"], document["total"]) == (60, 150)
    assert all(text["text"] == foreign()["words"][text["row"] - 1] for text in document["far"])
    assert len({text["row"] for text in document["far"]}) == 5


def test_numbers_and_sets_of_labels_are_compared_as_they_can_be(drift: Call) -> None:
    numbers = json.loads(drift("weights", "--file", "same.csv", "--json")[1])
    assert numbers["verdict"] == "still the task"
    assert numbers["signals"]["confidence"] is numbers["signals"]["elsewhere"] is None
    assert numbers["signals"]["answers"]["p"] > 0.01
    sets = json.loads(drift("sets", "--file", "same.csv", "--label-column", "about", "--json")[1])
    assert {*sets["signals"]["labels"]["shares"]} == {"animal", "alive", "fruit"}
    assert sets["signals"]["accuracy"]["p"] is not None
    tags = json.loads(drift("tags", "--file", "same.csv", "--label-column", "tags", "--json")[1])
    assert {*tags["signals"]["labels"]["shares"]} == {"O", "B-A", "B-F"}
    spoken = json.loads(drift("spoken", "--file", "same.csv", "--label-column", "noun", "--json")[1])
    assert {name for name, signal in spoken["signals"].items() if signal} == {
        *("confidence", "features", "unknown", "accuracy")
    }
    assert {sets["verdict"], tags["verdict"], spoken["verdict"]} == {"still the task"}


def test_the_earlier_name_of_the_label_column_is_taken(drift: Call) -> None:
    labelled = drift("nouns", "--file", "same.csv", "--label-column", "noun", "--json")
    assert drift("nouns", "--file", "same.csv", "--labels", "noun", "--json") == labelled
    assert json.loads(labelled[1])["signals"]["accuracy"]


def test_a_table_in_memory_is_compared_as_a_file_is(bench: Workbench, drift: Call) -> None:
    document = json.loads(drift("nouns", "--file", "same.csv", "--label-column", "noun", "--json")[1])
    del document["file"], document["server"]
    assert bench.drift("nouns", Path("same.csv"), labels="noun").as_json() == document
    assert bench.drift("nouns", same(), labels="noun").as_json() == document
    assert bench.drift("nouns", "same.csv", labels="noun").as_json() == document


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nouns"], "--file"),
        (["nouns", "--file", "nowhere.csv"], "nowhere.csv"),
        (["nuons", "--file", "same.csv"], "Did you mean nouns"),
        (["nouns", "--file", "same.csv", "--column", "text"], "'text'"),
        (["nouns", "--file", "same.csv", "--label-column", "kind"], "'kind'"),
        (["nouns", "--file", "same.csv", "--label-column", "weight"], "no row can be judged"),
        (["nouns", "--file", "same.csv", "--adapter", "weights"], "'weights'"),
        (["nouns", "--file", "same.csv", "--level", "5"], "--level"),
        (["nouns", "--file", "same.csv", "--level", "0.0009"], "The smallest level is 0.001"),
        (["nouns", "--file", "same.csv", "--max-lost", "5"], "--label-column"),
        (["nouns", "--file", "same.csv", "--label-column", "noun", "--max-lost", "nan"], "--max-lost"),
        (["weights", "--file", "same.csv", "--label-column", "weight"], "numbers"),
        (["nouns", "--file", "same.csv", "--label-column", "noun", "--labels", "noun"], "earlier name"),
    ],
)
def test_what_cannot_be_compared_is_one_message(drift: Call, arguments: list[str], expected: str) -> None:
    code, out, err = drift(*arguments)
    assert (code, out) == (2, "")
    assert expected in err


def test_rows_without_a_text_are_refused_or_counted(drift: Call) -> None:
    frame = same()
    frame.loc[:9, "words"] = " "
    frame.to_csv("blank.csv", index=False)
    assert json.loads(drift("nouns", "--file", "blank.csv", "--json")[1])["empty"] == 10
    frame.assign(words="").to_csv("blank.csv", index=False)
    code, _, err = drift("nouns", "--file", "blank.csv")
    assert (code, "no row has a text" in err) == (2, True)


def test_data_that_have_changed_are_refused(bench: Workbench, drift: Call) -> None:
    path = bench.task_folders[0] / "rows.csv"
    before = path.read_bytes()
    try:
        table(times=19).to_csv(path, index=False)
        code, _, err = drift("nouns", "--file", "same.csv")
    finally:
        path.write_bytes(before)
    assert (code, "have changed" in err) == (2, True)
