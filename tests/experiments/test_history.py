"""Earlier runs of an experiment are listed, read and held against later ones; wrong requests get a message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.history.experiment_difference import (
    ComparedExperiment,
    ExperimentDifference,
    difference_of,
)
from adapter_workbench.experiments.history.present_difference import OWN, present
from adapter_workbench.experiments.history.recipe_settings import differing_settings, made_differently, settings_of
from adapter_workbench.experiments.history.runs import runs_of
from adapter_workbench.experiments.reporting.contrast import Contrast
from adapter_workbench.experiments.reporting.differences import Difference
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.reporting.presentation import Paragraph
from adapter_workbench.experiments.workspace import RecordDocument
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.statistics import Interval, interval
from tests.conftest import Call
from tests.ear import Ear
from tests.runs import assert_as_declared
from tests.streams import write_recipe

SMALL = ["tasks=[animals, halves]", "budget.epochs=1", "budget.train_examples=16"]
METHODS = """name: methods
backbone: {backbone}
tasks: [animals]
budget: {{train_examples: 16, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
methods: {{head: {{}}}}
"""


@pytest.fixture(scope="module")
def bench(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A workspace with three runs of a stream: the second has another rate, the third one strategy less."""
    folder = tmp_path_factory.mktemp("history")
    recipe = str(write_recipe(folder, bert))
    (folder / "methods.yaml").write_text(METHODS.format(backbone=bert), encoding="utf-8")
    bench = Workbench(folder / "space", [folder / "tasks"], Ear())
    second = [*SMALL, "strategies.isolated.learning_rate=0.01"]
    third = [*second, "strategies={isolated: {strategy: isolated, method: lora, learning_rate: 0.01}}"]
    for changes in (SMALL, second, [*third, "reference=isolated"]):
        bench.run(bench.plan(recipe, changes), "workbench run stream")
    bench.run(bench.plan(str(folder / "methods.yaml")), "workbench run methods")
    return bench


@pytest.fixture
def report(bench: Workbench, call: Call) -> Iterator[Call]:
    """Run ``workbench report …`` on that workspace."""

    def report(*arguments: str) -> tuple[int, str, str]:
        return call("report", *arguments, "--workspace", str(bench.workspace.root))

    yield report


def test_runs_are_listed_with_what_they_had_otherwise(bench: Workbench, report: Call) -> None:
    runs = runs_of(bench.workspace, "stream")
    assert [(run.number, run.state) for run in runs] == [(1, "finished"), (2, "finished"), (3, "finished")]
    assert [run.name for run in runs] == bench.workspace.records.runs("stream")
    assert runs[-1].name == "stream"
    assert [run.otherwise for run in runs] == [
        "reference sequential, isolated.learning_rate 0.02, with sequential",
        "reference sequential, with sequential",
        "",
    ]
    code, out, _ = report("stream", "--runs", "--json")
    assert (code, json.loads(out)) == (0, [run.as_json() for run in runs])
    code, out, _ = report("stream", "--runs")
    assert code == 0
    assert "isolated.learning_rate 0.02" in " ".join(out.split())
    assert "workbench report stream --run 1" in out


def test_a_run_is_read_by_its_number(bench: Workbench, report: Call) -> None:
    code, out, _ = report("stream", "--run", "1", "--json")
    document = json.loads(out)
    assert (code, document["strategies"]["isolated"]["settings"]["learning_rate"]) == (0, 0.02)
    assert document["experiment"] == runs_of(bench.workspace, "stream")[0].name
    assert report("stream", "--run", "3", "--json")[1] == report("stream", "--json")[1]


def test_two_runs_differ_in_their_settings_and_in_what_both_have(bench: Workbench, report: Call) -> None:
    code, out, _ = report("stream", "--run", "2", "--against", "1", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["settings"] == [{"setting": "isolated.learning_rate", "first": 0.01, "second": 0.02}]
    assert document["made_differently"] == []
    assert [*document["differences"]] == ["isolated", "sequential"]
    same = document["differences"]["sequential"]["average_accuracy"]
    assert (same["difference"]["values"], same["replications"]) == ([0.0, 0.0], 2)
    changed = document["differences"]["isolated"]["average_accuracy"]
    gaps = [ours - theirs for ours, theirs in zip(changed["first"]["values"], changed["second"]["values"], strict=True)]
    assert changed["difference"]["values"] == pytest.approx(gaps)
    code, out, _ = report("stream", "--run", "2", "--against", "1")
    text = " ".join(out.split())
    assert "1 setting of the recipes differs. Average accuracy, run 2 against run 1: isolated: " in text
    assert "isolated.learning_rate 0.01 0.02" in text
    assert "average accuracy, percent" in text.lower()


def test_what_only_one_has_is_said(report: Call) -> None:
    code, out, _ = report("stream", "--against", "1")
    assert code == 0
    assert "Only run 1 has: sequential." in out


def test_a_difference_has_tables_and_a_page(bench: Workbench, report: Call, tmp_path: Path) -> None:
    exports = ["--html", "page.html", "--latex", "tables.tex", "--csv", "tables"]
    code, _, err = report("stream", "--run", "2", "--against", "1", *exports)
    assert (code, err) == (0, "")
    files = {path.name for path in (tmp_path / "tables").iterdir()}
    assert {"settings.csv", "difference-average-accuracy.csv", "difference-forgetting.csv"} <= files
    assert r"\label{tab:" in (tmp_path / "tables.tex").read_text(encoding="utf-8")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    first, second = (run.name for run in reversed(runs_of(bench.workspace, "stream")[:2]))
    assert page == drawn_page(present(difference_of(bench.workspace, first, second)), {})
    assert "they are exploratory" in page


def test_the_scores_of_a_stream_are_those_of_its_report(bench: Workbench) -> None:
    first = runs_of(bench.workspace, "stream")[0].name
    assert_as_declared(bench.report(first), bench.workspace)


REFUSED = {
    "no such run": (
        ["stream", "--run", "4"],
        "--run: there is no run 4 of 'stream'\n  `workbench report stream --runs`",
    ),
    "no such experiment": (["steam", "--runs"], "Did you mean stream"),
    "no such other run": (["stream", "--against", "9"], "--against: there is no run 9 of 'stream'"),
    "no such other": (["stream", "--against", "steam"], "no experiment called 'steam'"),
    "itself": (["stream", "--against", "3"], "--against: 'stream' cannot be compared with itself"),
    "another kind": (["stream", "--against", "methods"], "are experiments of two kinds (strategies and methods)"),
    "logged": (["stream", "--against", "1", "--log"], "--log cannot be combined with --against"),
    "no name": (["--runs"], "--runs: no experiment is named"),
    "a page of runs": (["stream", "--runs", "--html", "page.html"], "--html: --runs only lists"),
    "no such column": (["stream", "--columns", "forgetting,foo"], "--columns: there is no column called 'foo'\n"),
    "columns of JSON": (
        ["stream", "--columns", "forgetting", "--json"],
        "--columns cannot be combined with --json or --html",
    ),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_be_reported_is_told(mistake: str, report: Call, tmp_path: Path) -> None:
    arguments, message = REFUSED[mistake]
    code, out, err = report(*arguments, *([] if {"--json", "--runs"} & {*arguments} else ["--csv", "tables"]))
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "tables").exists()


def test_chosen_columns_are_shown_and_written(report: Call, tmp_path: Path) -> None:
    code, out, _ = report("stream", "--columns", "stored,forgetting", "--csv", "tables")
    assert code == 0
    assert "Score of each task" not in out
    head, *_ = (tmp_path / "tables" / "strategies.csv").read_text(encoding="utf-8").splitlines()
    assert head == "strategy,stored in MB,forgetting,forgetting low,forgetting high"


def test_a_run_that_is_not_finished_says_how_far_it_is(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    recipe = str(write_recipe(tmp_path, bert))
    other = Workbench(tmp_path / "space", [tmp_path / "tasks"])
    monkeypatch.setattr("adapter_workbench.workbench.training.fitting.fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        other.run(other.plan(recipe, [*SMALL, "seeds=[0]"]), "workbench run stream")
    (run,) = runs_of(other.workspace, "stream")
    assert run.state == "0 of 2 results"


def test_with_one_seed_the_sentence_says_what_the_table_says() -> None:
    difference = Difference(interval([0.003]), Interval(0.003, -0.01, 0.02))
    compared = Contrast("higher", interval([0.9]), interval([0.897]), difference, "", ("",), {}, 1)
    side = ComparedExperiment("one", "one", record({}), ())
    verdict = present(ExperimentDifference(side, side, (), (), {"lora": {"score": compared}})).verdict
    assert verdict.endswith("lora: undecided (0.3 points higher, 95 % interval over test examples [−1.0, 2.0]).")


def test_scores_over_more_seeds_than_their_difference_say_so() -> None:
    """90.5 − 89.0 is not the 2.0 beside them, which is of the two seeds that both have."""
    side = ComparedExperiment("one", "one", record({}), ())
    difference = Difference(interval([0.02, 0.02]))

    def blocks(first: Interval) -> tuple[object, ...]:
        compared = Contrast("higher", first, interval([0.88, 0.9]), difference, "", ("",), {}, 2)
        return present(ExperimentDifference(side, side, (), (), {"lora": {"score": compared}})).blocks

    assert Paragraph(OWN, "quiet") in blocks(interval([0.9, 0.92, 0.895]))
    assert Paragraph(OWN, "quiet") not in blocks(interval([0.9, 0.92]))


def record(about: dict[str, object], versions: str = "torch 2.13.0, peft 0.21.2") -> RecordDocument:
    return RecordDocument("strategies", about, (), {"versions": versions, "git": "0123abc"}, "identity")


def test_settings_are_those_of_the_recipe_and_not_what_follows_from_them() -> None:
    tried = [{"learning_rate": 0.001, "attempts": ["0" * 64]}, {"learning_rate": 0.01, "attempts": ["1" * 64]}]
    entry = {"label": "lora", "method": "lora", "settings": {"rank": 8}, "tried": tried, "default_rate": 0.1}
    about = {
        "seeds": [0, 1],
        "budget": {"epochs": 3},
        "orders": [["a", "b"], ["b", "a"]],
        "majority": [0.5, 0.5],
        "test_sizes": [10, 10],
        "data": {"a": "0" * 64},
        "contenders": [entry],
    }
    settings = settings_of(record(about))
    assert settings.shared == {"seeds": [0, 1], "budget.epochs": 3, "orders": ["a → b", "b → a"], "data.a": "0" * 64}
    assert settings.entries == {"lora": {"method": "lora", "rank": 8, "tried": [0.001, 0.01]}}
    changed = {**about, "budget": {"epochs": 4}, "contenders": [{**entry, "settings": {"rank": 4, "alpha": 16}}]}
    changes = [
        (change.setting, change.first, change.second) for change in differing_settings(record(about), record(changed))
    ]
    assert changes == [("budget.epochs", 3, 4), ("lora.rank", 8, 4), ("lora.alpha", None, 16)]


def test_of_other_orders_of_the_tasks_those_are_told_and_of_more_their_number() -> None:
    first, second = ({"orders": [["a", "b", "c"], order]} for order in (["b", "a", "c"], ["c", "b", "a"]))
    (change,) = differing_settings(record(first), record(second))
    assert (change.setting, change.first[1], change.second[1]) == ("orders", "b → a → c", "c → b → a")
    (change,) = differing_settings(record(first), record({"orders": [["a", "b", "c"]]}))
    assert (change.first, change.second) == (2, 1)


def test_other_packages_are_told_by_name() -> None:
    (change,) = made_differently(record({}), record({}, "torch 2.14.0, peft 0.21.2"))
    assert change.as_json() == {"setting": "torch", "first": "2.13.0", "second": "2.14.0"}


def test_an_experiment_is_not_held_against_itself(bench: Workbench) -> None:
    with pytest.raises(InputError, match="compared with itself"):
        difference_of(bench.workspace, "stream", "stream")
