"""`workbench evaluate`: expected scores are scikit-learn's and seqeval's, over what `predict` answers to the file."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from datasets import Dataset
from seqeval.metrics import f1_score as entity_f1
from sklearn import metrics

from adapter_workbench.experiments.answers.evaluated import Evaluated, JudgedRow
from adapter_workbench.experiments.answers.table_evaluation import with_intervals
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.terminal.evaluation import print_evaluated
from adapter_workbench.experiments.workspace.evaluating import fit_and_evaluate
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.labelled_table import LeftOut
from adapter_workbench.workbench.adapters.manifest import TaskReference
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.measures.label_counts import LabelScore
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call
from tests.messages import lacks

BUDGET = {"epochs": 3, "batch_size": 8, "max_length": 16, "precision": "fp32"}
TASKS = {  # name → its task file, kind, method
    "nouns": ("columns: {text: words, label: noun}\nlabels: {a: animal, f: fruit, t: tree}", "lora"),
    "whole": ("columns: {text: words, label: noun}\nlabels: {a: animal, f: fruit, t: tree}", "full"),
    "sets": ("kind: multilabel\ncolumns: {text: words, label: about, separator: ';'}", "lora"),
    "weights": ("kind: regression\ncolumns: {text: words, label: weight}", "lora"),
    "tags": ("kind: token-classification\ncolumns: {text: words, label: tags}", "lora"),
    "pairs": ("columns: {text: words, text_pair: other, label: noun}\nlabels: {a: animal, f: fruit, t: tree}", "lora"),
}
COLUMNS = {"nouns": "noun", "sets": "about", "weights": "weight", "tags": "tags"}


def table() -> pd.DataFrame:
    """Return rows in which the noun says everything."""
    rows = []
    for number, filler in enumerate(FILLERS * 2):
        for noun in (SUBJECTS[number % 8], FRUITS[number % 8], "this" if number % 5 else "that"):
            letter = "a" if noun in SUBJECTS else "f" if noun in FRUITS else "t"
            about = {"a": "animal;alive", "f": "fruit", "t": "alive"}[letter]
            tags = f"O {'B-A' if letter == 'a' else 'B-F' if letter == 'f' else 'O'}"
            rows.append((f"{filler} {noun}", filler, letter, about, 2.0 + len(about) / 6, tags))
    return pd.DataFrame(rows, columns=["words", "other", "noun", "about", "weight", "tags"])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, bert: Path) -> Workbench:
    """A workspace with an adapter of each kind whose answers are labels or numbers; hardly trained."""
    root = tmp_path_factory.mktemp("evaluating")
    (root / "tasks").mkdir()
    table().to_csv(root / "tasks/rows.csv", index=False)
    bench = Workbench(root / "ws", [root / "tasks"])
    for name, (text, method) in TASKS.items():
        file = f"description: made in tests\nfiles: {{data: rows.csv}}\n{text}\n"
        (root / f"tasks/{name}.yaml").write_text(file, encoding="utf-8")
        rate = 0.003 if method == "full" else 0.02
        bench.workspace.trained_adapter(
            bench.lesson(name, method, str(bert), learning_rate=rate, budget=BUDGET), Silent(), ""
        )
    return bench


@pytest.fixture
def evaluate(bench: Workbench, call: Call) -> Call:
    """Run ``workbench evaluate …`` beside ``labelled.csv``, which has rows that cannot be judged."""
    frame = table()
    frame.loc[3, "noun"], frame.loc[4, "noun"], frame.loc[5, "words"] = "stone", None, " "
    frame.to_csv("labelled.csv", index=False)
    places = ["--workspace", str(bench.workspace.root), "--tasks", str(bench.task_folders[0])]
    return lambda *arguments: call(*arguments, *places)


def answered(bench: Workbench, task: str, frame: pd.DataFrame) -> list[object]:
    return [answer.value for answer in bench.predict(task, frame["words"].tolist())]


def test_labels_are_judged_as_scikit_learn_does_and_no_row_goes_unsaid(evaluate: Call, bench: Workbench) -> None:
    code, out, err = evaluate("evaluate", "nouns", "--file", "labelled.csv", "--json", "--wrong", "2")
    document = json.loads(out)
    assert code == 0, err
    frame = table().drop(index=[3, 4, 5])
    names = ["animal", "fruit", "tree"]
    right = frame["noun"].map(dict(zip("aft", names, strict=True))).tolist()
    given = answered(bench, "nouns", frame)
    assert 0 < metrics.accuracy_score(right, given) < 1, "so that there are right and wrong answers"
    assert document["scores"]["accuracy"]["mean"] == pytest.approx(metrics.accuracy_score(right, given))
    assert document["scores"]["macro_f1"]["mean"] == pytest.approx(metrics.f1_score(right, given, average="macro"))
    assert document["confusion"] == {
        "labels": names,
        "counts": metrics.confusion_matrix(right, given, labels=names).tolist(),
    }
    report = metrics.classification_report(right, given, labels=names, output_dict=True, zero_division=0)
    assert [label["f1"] for label in document["labels"]] == pytest.approx([report[name]["f1-score"] for name in names])
    assert document["worst_label"] == min(document["labels"], key=lambda label: label["f1"])
    assert (document["rows"], document["examples"]) == (60, 57)
    unknown = {"unknown_label": 1, "unknown_labels": {"stone": 1}}
    assert document["left_out"] == {"without_text": 1, "without_label": 1, **unknown}
    wrong = document["wrong"]
    assert wrong["count"] == sum(mine != theirs for mine, theirs in zip(right, given, strict=True))
    first, second = wrong["examples"]
    assert first["confidence"] >= second["confidence"]
    assert table()["words"][first["row"] - 1] == first["text"], "rows are counted from 1"
    for score in document["scores"].values():
        assert 0 <= score["low"] <= score["mean"] <= score["high"] <= 1


def test_a_file_is_written_as_those_of_the_task(bench: Workbench, call: Call, tmp_path: Path) -> None:
    """Nobody guesses `^`; and beside a column with decimal commas, 2.833 looks like thousands."""
    (folder := tmp_path / "others").mkdir()
    nouns = TASKS["nouns"][0]
    (folder / "nouns.yaml").write_text(f"description: d\nfiles: {{data: rows.csv, delimiter: ^}}\n{nouns}\n")
    weights = TASKS["weights"][0]
    (folder / "weights.yaml").write_text(f"description: d\nfiles: {{data: prices.csv, delimiter: ;}}\n{weights}\n")
    table().to_csv(folder / "rows.csv", sep="^", index=False)
    table().round(3).assign(price="1,5").to_csv(folder / "prices.csv", sep=";", index=False)
    places = ["--json", "--workspace", str(bench.workspace.root), "--tasks", str(folder)]
    counts = {}
    for command in ("evaluate", "predict", "drift"):
        code, out, err = call(command, "nouns", "--file", str(folder / "rows.csv"), *places)
        assert code in {0, 3}, err
        counts[command] = json.loads(out)
    assert counts["evaluate"]["rows"] == len(counts["predict"]) == 60
    code, out, err = call("evaluate", "weights", "--file", str(folder / "prices.csv"), *places)
    there = Workbench(bench.workspace.root, [folder])
    scores = there.evaluate("weights", table().round(3)).as_json(0)["scores"]
    assert (code, json.loads(out)["scores"]) == (0, scores), err
    assert there.evaluate("weights", folder / "prices.csv").as_json(0)["scores"] == scores
    assert there.drift("nouns", folder / "rows.csv", labels="noun")


def test_what_is_printed_has_the_same_and_says_what_was_left_out(evaluate: Call, tmp_path: Path) -> None:
    code, out, err = evaluate("evaluate", "nouns", "--file", "labelled.csv", "--figure", "c.png", "--out", "a.csv")
    assert code == 0, err
    for text in (
        "57 of 60 rows judged",
        "1 without a text; 1 without a label",
        "('stone' 1)",
        "macro f1",
        "Worst label",
    ):
        assert text in out, text
    assert "right ↓  answer →" in out
    assert "Wrong answers" in out
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    rows = pd.read_csv(tmp_path / "a.csv")
    new = ["predicted_label", "predicted_confidence", "predicted_correct", "predicted_adapter"]
    assert [*rows.columns] == [*table().columns, *new]
    assert rows["predicted_label"].isna().tolist() == [index in (3, 4, 5) for index in range(60)]
    for again in (["--figure", "c.png"], ["--out", "a.csv"]):
        code, out, err = evaluate("evaluate", "nouns", "--file", "labelled.csv", *again)
        assert (code, out, "--overwrite replaces it" in err) == (2, "", True), err
    assert evaluate("evaluate", "nouns", "--file", "labelled.csv", "--figure", "c.png", "--overwrite")[0] == 0


def test_out_with_json_is_what_json_prints(evaluate: Call, tmp_path: Path) -> None:
    asked = ["evaluate", "nouns", "--file", "labelled.csv"]
    code, out, err = evaluate(*asked, "--out", "a.json")
    assert (code, "a.json" in out) == (0, True), err
    printed = json.loads(evaluate(*asked, "--json")[1])
    assert json.loads((tmp_path / "a.json").read_text()) == {**printed, "out": "a.json"}


@pytest.mark.parametrize(("there", "promised"), [(5, "the 5"), (20, "the 20"), (30, "the 20 worst of 30")])
def test_the_table_of_labels_has_as_many_as_its_title_says(
    there: int, promised: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tuple(f"label{number:02}" for number in range(40))
    scores = [LabelScore(name, 1.0, 0.5, 0.6, int(index < there), 0) for index, name in enumerate(names)]
    matrix = tuple(tuple(int(row == column) for column in range(40)) for row in range(40))
    task = TaskReference(name="many", kind="classification", labels=names, fingerprint="f", origin="o")
    print_evaluated(Evaluated("a", task, "accuracy", 1, LeftOut(), {}, tuple(scores), matrix, ()), 10)
    out = capsys.readouterr().out
    assert not lacks(out, f"Labels: {promised} in the file; --json has all 40", "No label was taken for another.")
    assert len([line for line in out.splitlines() if line.startswith("label") and "60.0 %" in line]) == min(there, 20)


@pytest.mark.parametrize(
    ("score", "confidence", "title"),
    [
        (None, None, "Wrong answers: 2 of 3"),
        (0.4, None, "Wrong answers, the lowest scores first: 2 of 3"),
        (None, 0.7, "Wrong answers, the surest first: 2 of 3"),
    ],
)
def test_wrong_answers_are_called_by_what_orders_them(
    score: float | None, confidence: float | None, title: str, capsys: pytest.CaptureFixture[str]
) -> None:
    task = TaskReference(name="said", kind="causal-lm", labels=(), fingerprint="f", origin="o")
    row = JudgedRow(1, "text", None, "right", "wrong", confidence, False, score, None, "a")
    print_evaluated(Evaluated("a", task, "token-f1", 3, LeftOut(), {}, None, None, (row, row, row)), 2)
    out = capsys.readouterr().out
    assert title in out.splitlines()
    assert len([line for line in out.splitlines() if line.split()[:3] == ["1", "right", "wrong"]]) == 2


def test_macro_f1_is_over_the_labels_that_are_there_or_given(evaluate: Call, bench: Workbench) -> None:
    frame = table().query("noun != 't'")
    right, given = frame["noun"].map({"a": "animal", "f": "fruit"}).tolist(), answered(bench, "nouns", frame)
    assert "tree" in given, "so that the test can fail"
    macro = bench.evaluate("nouns", frame).scores["macro_f1"]
    assert macro.mean == pytest.approx(metrics.f1_score(right, given, average="macro"))
    frame.to_csv("no-trees.csv", index=False)
    assert (
        "Given, but not in the file, so 0 % in macro F1: tree."
        in evaluate("evaluate", "nouns", "--file", "no-trees.csv")[1]
    )


def test_each_kind_has_the_scores_that_fit_it(bench: Workbench) -> None:
    frame = table()
    for task, column in COLUMNS.items():
        result = bench.evaluate(task, frame)
        right, given, main = frame[column], answered(bench, task, frame), result.scores[result.metric].mean
        if task == "weights":
            assert main == pytest.approx(metrics.r2_score(right, given))
            assert result.scores["mae"].mean == pytest.approx(metrics.mean_absolute_error(right, given))
            errors = [abs(row.error or 0) for row in result.wrong]
            assert errors == sorted(errors, reverse=True)
            assert (result.labels, result.confusion, result.worst_label) == (None, None, None)
        elif task == "tags":
            assert main == pytest.approx(entity_f1([tags.split() for tags in right], given))
            assert [label.label for label in result.labels or ()] == ["A", "F"]
        elif task == "sets":
            names = ["alive", "animal", "fruit"]
            sets = ([[name in labels for name in names] for labels in side] for side in (right.str.split(";"), given))
            assert main == pytest.approx(metrics.f1_score(*sets, average="micro"))
        low, high = result.scores[result.metric].low, result.scores[result.metric].high
        assert low is not None
        assert high is not None
        assert low <= (main or 0) <= high
        json.dumps(result.as_json(), allow_nan=False)
        assert "<table" in result._repr_html_()


@pytest.mark.parametrize("task", ["nouns", "whole"])
def test_the_test_split_as_a_file_has_the_scores_of_the_training(task: str, bench: Workbench, bert: Path) -> None:
    method = TASKS[task][1]
    rate = 0.003 if method == "full" else 0.02
    lesson = bench.lesson(task, method, str(bert), learning_rate=rate, budget=BUDGET)
    stored = bench.workspace.evaluations.require(fit_and_evaluate(bench.workspace, lesson, Silent(), "").evaluation)
    loaded = registry.load(registry.find(task, bench.task_folders))
    split = loaded.splits["test"].to_pandas()
    split["label"] = [loaded.labels[label] for label in split["label"]]
    result = bench.evaluate(task, split, text="text", label="label")
    assert {name: score.mean for name, score in result.scores.items()} == pytest.approx(stored.scores)


def test_pairs_and_the_names_of_columns(bench: Workbench) -> None:
    frame = table()
    result = bench.evaluate("pairs", frame)
    pairs = list(zip(frame["words"], frame["other"], strict=True))
    given = [answer.value for answer in bench.predict("pairs", pairs)]
    assert [row.value for row in result.rows] == given
    assert result.rows[0].text_pair == frame["other"][0]
    renamed = frame.rename(columns={"words": "w", "other": "o", "noun": "n"})
    assert bench.evaluate("pairs", renamed, text="w", pair="o", label="n") == result
    with pytest.raises(InputError, match="answers for single texts"):
        bench.evaluate("nouns", frame, pair="other")


def test_labels_may_be_written_as_the_task_file_writes_them_or_as_it_names_them(bench: Workbench) -> None:
    frame = table()
    named = frame.assign(noun=frame["noun"].map({"a": "animal", "f": "fruit", "t": "tree"}))
    assert bench.evaluate("nouns", named).scores == bench.evaluate("nouns", frame).scores


def test_every_table_that_predict_reads_is_read_as_it_reads_it(evaluate: Call, bench: Workbench) -> None:
    frame = table().assign(words=lambda rows: rows["words"].str.replace("the", "thé"))
    frame.to_csv("cp1252.csv", index=False, sep=";", encoding="cp1252")
    frame.to_parquet("rows.parquet")
    frame.to_excel("rows.xlsx", index=False)
    frame.to_json("rows.jsonl", orient="records", lines=True)
    expected = bench.evaluate("nouns", frame).as_json()
    for name in ("cp1252.csv", "rows.parquet", "rows.xlsx", "rows.jsonl"):
        assert bench.evaluate("nouns", Path(name)).as_json() == expected, name
    assert bench.evaluate("nouns", "cp1252.csv").as_json() == expected, "a path may be a text"
    assert bench.evaluate("nouns", Dataset.from_pandas(frame)).as_json() == expected
    with pytest.raises(InputError, match="a list is no table"):
        bench.evaluate("nouns", frame["words"].tolist())  # type: ignore[arg-type]
    frame.assign(weight=frame["weight"].map(lambda value: f"{value:.3f}".replace(".", ","))).to_csv(
        "comma.csv", index=False, sep=";"
    )
    numbers = [row.right for row in bench.evaluate("weights", Path("comma.csv")).rows]
    assert numbers == pytest.approx(frame["weight"].round(3).tolist()), "a decimal comma is one"


REFUSED = {
    "no file": (["nouns"], "needs a labelled file\n  Give --file"),
    "no such file": (["nouns", "--file", "none.csv"], "no such file"),
    "lines": (["nouns", "--file", "lines.txt"], "lines.txt: this file is not a table"),
    "text column": (["nouns", "--file", "labelled.csv", "--column", "body"], "there is no column 'body'"),
    "label column": (["nouns", "--file", "labelled.csv", "--label-column", "team"], "Name one with --label-column."),
    "unlabelled": (["nouns", "--file", "blank.csv"], "no row can be judged: 60 without a label"),
    "foreign labels": (["nouns", "--file", "labelled.csv", "--label-column", "tags"], "Known labels: animal, fruit"),
    "no sets": (["sets", "--file", "blank.csv"], "no row can be judged: 60 without a label"),
    "no numbers": (["weights", "--file", "labelled.csv", "--label-column", "noun"], "hold no number"),
    "router": (["router:prototype", "--file", "labelled.csv"], "a router has no labels of its own"),
    "figure": (["weights", "--file", "labelled.csv", "--figure", "c.png"], "has no confusion matrix"),
    "format": (["nouns", "--file", "labelled.csv", "--figure", "c.gif"], "cannot tell the format to draw"),
    "adapter": (["nuons", "--file", "labelled.csv"], "Did you mean nouns"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_mistakes_are_one_message(mistake: str, evaluate: Call, tmp_path: Path) -> None:
    table().assign(noun="", about="").to_csv("blank.csv", index=False)
    Path("lines.txt").write_text("the cat\na fig\n", encoding="utf-8")
    arguments, expected = REFUSED[mistake]
    before = sorted(tmp_path.iterdir())
    code, out, err = evaluate("evaluate", *arguments)
    assert (code, out, expected in err) == (2, "", True), err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_task_file_that_is_gone_is_named_where_a_column_is_not_there(
    command: str, call: Call, bench: Workbench, tmp_path: Path
) -> None:
    """The columns are then the usual ones; the message said only that there is no column 'text'."""
    table().to_csv("labelled.csv", index=False)
    places = ("--workspace", str(bench.workspace.root), "--tasks", str(tmp_path))
    code, _, err = call(command, "nouns", "--file", "labelled.csv", *places)
    assert code == 2
    assert "no column 'text'" in err and "the file of task 'nouns'" in err and "--tasks" in err
    code, _, err = call(command, "nouns", "--file", "labelled.csv", "--column", "body", *places)
    assert (code, "no column 'body'" in err, "task 'nouns'" in err) == (2, True, False)
    with pytest.raises(InputError, match="no column 'label'; the file of task 'nouns'"):
        Workbench(bench.workspace.root, [tmp_path]).evaluate("nouns", table().rename(columns={"words": "text"}))


def test_predict_uses_the_columns_of_the_task_and_says_the_accuracy(evaluate: Call, bench: Workbench) -> None:
    judged = bench.evaluate("nouns", Path("labelled.csv")).scores["accuracy"].mean
    code, out, err = evaluate("predict", "nouns", "--file", "labelled.csv")
    assert code == 0, err
    line = f"Accuracy: {100 * (judged or 0):.1f} %, on 57 rows whose label in column 'noun' is known."
    assert line in out
    assert "workbench evaluate nouns --file labelled.csv" in out
    entries = json.loads(evaluate("predict", "nouns", "--file", "labelled.csv", "--json")[1])
    known = [entry for entry in entries if entry["right"] is not None]
    assert len(known) == 58 - 1, "of 60 rows one has no text, one no label, one a label that the task does not have"
    assert sum(entry["label"] == entry["right"] for entry in known) / len(known) == pytest.approx(judged)
    code, out, err = evaluate("predict", "nouns", "--file", "labelled.csv", "--out", "answers.csv")
    assert (code, line in out) == (0, True), err
    document = json.loads(evaluate("predict", "nouns", "--file", "labelled.csv", "--out", "b.csv", "--json")[1])
    assert (document["accuracy"], document["labelled"]) == (pytest.approx(judged), 57)
    table()[["words"]].to_csv("texts.csv", index=False)
    assert "Accuracy" not in evaluate("predict", "nouns", "--file", "texts.csv")[1]
    assert "right" not in json.loads(evaluate("predict", "nouns", "--file", "texts.csv", "--json")[1])[0]


def test_a_score_without_a_known_interval_has_none() -> None:
    outcomes = pd.DataFrame({"correct": [True, False], "log_likelihood": [-1.0, -2.0]})
    known = with_intervals({"accuracy": 0.5, "mean_average_precision": 0.5}, outcomes, None)
    assert (known["mean_average_precision"].low, known["accuracy"].mean) == (None, 0.5)
