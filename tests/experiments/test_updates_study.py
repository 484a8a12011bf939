"""A comparison of ways of updating as a recipe: run once, read without a model, wrong recipes told in one message."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.reporting.contrast import contrast
from adapter_workbench.experiments.reporting.csv_tables import csv_tables
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.studies.updates.page import present
from adapter_workbench.experiments.studies.updates.plan import UpdatesPlan
from adapter_workbench.experiments.studies.updates.record import SCORE, VersionScores
from adapter_workbench.experiments.studies.updates.report import METRICS, UpdatesReport, scored
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.workbench.errors import InputError, SettingsError
from adapter_workbench.workbench.methods.task import SPLITS, Task
from tests.conftest import FRUITS, SUBJECTS, Call
from tests.experiments.report import test_documents_kept
from tests.runs import assert_as_declared, done

RECIPE = """name: tiny-updates
description: made in tests
backbone: {backbone}
tasks: [colours]
scenario: growing
versions: 3
seeds: [0, 1]
budget: {{train_examples: 32, eval_examples: 24, epochs: 2, batch_size: 8, max_length: 16, precision: fp32}}
test: stratified
updates:
  anew: {{way: anew, method: lora, learning_rate: 0.02}}
  goes-on: {{way: continue, method: lora, learning_rate: 0.02}}
"""
WORDS = (SUBJECTS[:4], SUBJECTS[4:], FRUITS[:4], FRUITS[4:])
LABELS = ("a", "b", "c", "d")


def rows(labels: int, count: int, first: int = 0) -> str:
    """Return a table with as many rows of each label, whose texts tell the label."""
    lines = [
        f"{WORDS[label][number % 4]} and {WORDS[label][number // 4 % 4]} {first + number},{LABELS[label]}"
        for number in range(count)
        for label in range(labels)
    ]
    return "\n".join(["text,label", *lines])


@pytest.fixture(scope="module")
def study_folder(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task of four labels, a family of three periods, and the recipe, which is run in `space`."""
    folder = tmp_path_factory.mktemp("place")
    (tasks := folder / "tasks").mkdir()
    about = "description: made in tests\ncolumns: {text: text, label: label}\nlicense: CC0-1.0\n"
    (tasks / "colours.csv").write_text(rows(4, 20), encoding="utf-8")
    (tasks / "colours.yaml").write_text(f"{about}files: {{data: colours.csv}}\n", encoding="utf-8")
    for number in range(3):
        (tasks / f"period-{number}.csv").write_text(rows(2, 24, 12 * number), encoding="utf-8")
    members = [{"name": f"periods-{number}", "files": {"data": f"period-{number}.csv"}} for number in range(3)]
    (tasks / "periods.yaml").write_text(f"{about}family: {json.dumps(members)}\n", encoding="utf-8")
    (folder / "tiny.yaml").write_text(RECIPE.format(backbone=bert), encoding="utf-8")
    return folder


def ids(task: Task, split: str = "train") -> set[str]:
    return {*task.splits[split]["id"][:]}


def test_labels_come_one_after_another_and_no_row_moves(plan: UpdatesPlan) -> None:
    for seed in (0, 1):
        versions = plan.versions["colours", seed]
        assert [len(version.task.labels) for version in versions] == [2, 3, 4]
        for before, after in pairwise(versions):
            assert after.labels.before == before.task.labels
            assert after.labels.sources == (*((n,) for n in range(len(before.task.labels))), ())
            assert after.task.labels[: len(before.task.labels)] == before.task.labels
            assert after.new_rows == ids(after.task) - ids(before.task)
            for split in SPLITS:
                assert ids(before.task, split) < ids(after.task, split)
        whole = plan.streams["colours"][0]
        names = {row["id"]: whole.labels[row["label"]] for split in SPLITS for row in whole.splits[split]}
        last = versions[-1].task
        assert all(names[row["id"]] == last.labels[row["label"]] for split in SPLITS for row in last.splits[split])
        assert len(ids(last)) == 32, "what the budget says"
        assert len({version.task.fingerprint for version in versions}) == 3
    orders = {plan.versions["colours", seed][-1].task.labels for seed in (0, 1)}
    assert len(orders) == 2, "the order of the labels is the seed's"


def test_a_label_has_half_of_its_rows_at_once_and_all_at_the_end(plan: UpdatesPlan) -> None:
    """8 training rows of each label: 4 with its first version, then as many with each later one."""
    counts = [Counter(version.task.splits["train"]["label"][:]) for version in plan.versions["colours", 0]]
    assert counts == [{0: 4, 1: 4}, {0: 6, 1: 6, 2: 4}, {0: 8, 1: 8, 2: 8, 3: 8}]


def test_periods_follow_each_other_without_the_texts_of_earlier_ones(bench: Workbench, study_folder: Path) -> None:
    changes = ["scenario=drifting", "tasks=[periods]", "budget.train_examples=18", "budget.eval_examples=9"]
    plan = bench.plan(str(study_folder / "tiny.yaml"), changes)
    versions = plan.versions["periods", 0]
    assert [len(ids(version.task)) for version in versions] == [6, 12, 18]
    assert [len(ids(version.task, "test")) for version in versions] == [3, 6, 9]
    assert versions[2].new_rows == {row for row in ids(versions[2].task) if row.startswith("periods-2/")}
    texts = [text for split in SPLITS for text in versions[2].task.splits[split]["text"][:]]
    assert len(texts) == len({*texts}), "half of the texts of a period are in the one before"
    assert plan.versions["periods", 1][2].task.splits["test"]["id"][:] == versions[2].task.splits["test"]["id"][:]
    assert plan.shared_facts["periods"] == {"periods": ["periods-0", "periods-1", "periods-2"]}


def test_versions_of_other_periods_are_not_compared_row_by_row(bench: Workbench, study_folder: Path) -> None:
    """Both last versions have 6 test rows: of 2 periods 3 each, of 3 periods 2 each."""
    only = "updates={anew: {way: anew, method: head}}"
    shared = ["scenario=drifting", "tasks=[periods]", "seeds=[0]", "budget.eval_examples=6", "test=paired", only]
    tested = {}
    for versions in (2, 3):
        name = f"of-{versions}"
        plan = bench.plan(str(study_folder / "tiny.yaml"), [*shared, f"name={name}", f"versions={versions}"])
        tested[versions] = scored(name, done(plan, bench.workspace), bench.workspace)["anew"][SCORE]
    assert contrast(tested[2], tested[3]).left_out == {"periods": "other test examples of periods"}
    assert contrast(tested[3], tested[3]).left_out == {}


def test_what_versions_score_comes_to() -> None:
    """By hand. Rows a, b came with version 1, c with 2, d with 3."""
    first = pd.Series({"a": 1.0, "b": 1.0})
    second = pd.Series({"a": 1.0, "b": 0.0, "c": 1.0})
    third = pd.Series({"a": 0.0, "b": 1.0, "c": 0.0, "d": 1.0})
    tested = VersionScores([first, second, third])
    assert tested.metrics == pytest.approx(
        {
            "score": 1 / 2,
            "mean_score": (1 + 2 / 3 + 1 / 2) / 3,
            "old_score": 1 / 3,
            "new_score": 1.0,
            "forgetting": ((1 - 1 / 2) + (1 - 0)) / 2,
            "negative_flips": (1 / 2 + 2 / 3) / 2,
            "positive_flips": (0 + 1 / 3) / 2,
        }
    )
    assert tested.sizes["old_score"] == 3


def test_each_version_is_made_from_the_one_before(report: UpdatesReport, bench: Workbench) -> None:
    assert report.complete
    assert len(report.record.cells) == 2 * 2 * 3
    for row in report.rows:
        cells = {(cell.seed, cell.version): cell for cell in row.adapters}
        for (seed, version), cell in cells.items():
            manifest = bench.workspace.adapters.verify(cell.fitted.adapter).manifest
            before = cells.get((seed, version - 1))
            goes_on = row.label == "goes-on" and before is not None
            assert manifest.parents == ((before.fitted.adapter,) if goes_on and before else ())
    anew, goes_on = report.rows
    first = [{cell.fitted.adapter for cell in row.adapters if cell.version == 1} for row in (anew, goes_on)]
    assert first[0] == first[1], "the first version is the same"
    steps = [[cell.fitted.steps for cell in row.adapters] for row in (anew, goes_on)]
    assert steps[0] == steps[1], "all entries take as many optimiser steps"
    assert [[cell.rows for cell in row.adapters if cell.seed == 0] for row in (anew, goes_on)] == [
        [8, 16, 32],
        [8, 8, 16],
    ]


def test_a_second_run_trains_nothing(
    report: UpdatesReport, bench: Workbench, plan: UpdatesPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("done a second time")

    monkeypatch.setattr("adapter_workbench.experiments.studies.updates.work.fit_and_evaluate", refuse)
    assert bench.pending(plan) == []
    assert bench.run(plan, "another command").as_json(full=True) == report.as_json(full=True)


def test_an_entry_that_is_added_shares_the_first_versions(
    report: UpdatesReport, bench: Workbench, study_folder: Path
) -> None:
    added = "updates.again={way: continue, method: lora, learning_rate: 0.02, against: goes-on}"
    more = bench.plan(str(study_folder / "tiny.yaml"), [added])
    assert bench.pending(more) == [], "a label is a name and nothing more"
    other = bench.plan(str(study_folder / "tiny.yaml"), [added.replace("0.02", "0.01")])
    waiting = bench.pending(other)
    assert len(waiting) == 6
    assert [len(piece.needs) for piece in waiting] == [0, 1, 1, 0, 1, 1]


def test_a_way_that_has_come_to_mean_another_result_makes_its_updates_anew(
    report: UpdatesReport, bench: Workbench, plan: UpdatesPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = replace(WAYS.get("continue"), revision=2)
    find = WAYS.get
    monkeypatch.setattr(WAYS, "get", lambda name, *where: raised if name == "continue" else find(name, *where))
    waiting = [piece.coordinates for piece in bench.pending(plan)]
    assert [(at["label"], at["seed"], at["version"]) for at in waiting] == [
        ("goes-on", seed, version) for seed in (0, 1) for version in (2, 3)
    ], "the first version is the plain lesson"


def test_differences_are_those_of_the_scores(report: UpdatesReport, bench: Workbench) -> None:
    assert_as_declared(report, bench.workspace)
    anew, goes_on = report.rows
    assert anew.difference is None
    for metric, difference in goes_on.differences.items():
        read = next(of for of in METRICS if of.name == metric).number
        gap = (goes_on.over(read).mean or 0) - (anew.over(read).mean or 0)
        assert difference.seeds.mean == pytest.approx(gap, abs=1e-12)
    unequal = {inequality.what: inequality for inequality in report.unequal}
    assert [*unequal] == ["training rows read in an update"]
    assert unequal["training rows read in an update"].others == ((12, ("goes-on",)),)


def test_the_reference_page_says_where_each_number_is(report: UpdatesReport) -> None:
    test_documents_kept.assert_as_declared("updates", present(report))


def test_json_page_tables_and_runs_tell_the_same(report: UpdatesReport, bench: Workbench) -> None:
    folder = bench.workspace.experiment("tiny-updates")
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert document == json.loads(json.dumps(bench.report("tiny-updates").as_json(full=True), allow_nan=False))
    assert document["updates"]["goes-on"]["cost"]["rows_read"] == 24
    assert len(document["updates"]["anew"]["versions"]["colours"]) == 3
    failing = {answer["question"]: answer["answer"] for answer in document["checklist"] if answer["holds"] is False}
    assert [*failing] == ["Are there seeds enough for the test?"], "two seeds of one task are not"
    shown = present(report)
    html = drawn_page(shown, {"score-by-version": (folder / "score-by-version.png").read_bytes()})
    assert all(heading in html for heading in ("What updates keep and lose", "Version by version: colours", "Costs"))
    lines = csv_tables(shown)["updates.csv"].decode().splitlines()
    assert lines[0].startswith("entry,old rows")
    run = run_record(shown)
    assert run.finished
    assert len(run.children) == 4
    child = next(child for child in run.children if child.name == "goes-on seed 1")
    scores = {step: value for name, value, step in child.metrics if name == "version_score/colours"}
    assert [*scores] == [1, 2, 3]


def test_the_commands_know_it_as_any_other_experiment(report: UpdatesReport, study_folder: Path, call: Call) -> None:
    options = ["--workspace", str(study_folder / "space")]
    code, out, err = call("report", "tiny-updates", "--json", *options)
    assert code == 0, err
    assert json.loads(out)["scenario"] == "growing"
    recipe = [str(study_folder / "tiny.yaml"), "--tasks", str(study_folder / "tasks"), *options]
    code, out, err = call("run", *recipe, "--dry-run", "--json")
    assert code == 0, err
    ahead = json.loads(out)
    assert (ahead["study"], len(ahead["pieces"])) == ("updates", 12)
    assert all(piece["done"] for piece in ahead["pieces"])
    code, out, err = call("scenarios", "list", "--json")
    assert code == 0, err
    assert {"growing", "drifting", "task-incremental"} <= {entry["name"] for entry in json.loads(out)}


WRONG = {
    "scenario=growin": "Did you mean growing",
    "scenario=task-incremental": "no scenario called 'task-incremental'",
    "scenario=drifting": "scenario drifting: 'colours' is one task",
    "tasks=[periods]": "scenario growing: 'periods' is a family of tasks",
    "versions=4": "'colours' has 4 labels, too few for 4 versions",
    "versions=1": "'versions'",
    "updates.goes-on={way: continu, method: lora}": "Did you mean continue",
    "updates.goes-on={method: lora}": "needs way",
    "updates.goes-on={way: continue}": "needs method",
    "updates.goes-on={way: continue, method: in-context}": "in-context cannot adapt a bert",
    "updates.goes-on={way: merge, method: bitfit}": "merge adds up plain LoRAs",
    "updates.goes-on.rank=0": "'updates.goes-on.rank'",
    "updates.goes-on.rnk=4": "Did you mean",
    "updates.goes-on.against=anw": "Did you mean anew",
    "updates.Anew={way: anew, method: lora}": "look the same in the tables",
    "reference=goes": "Did you mean goes-on",
    "tasks=[coluors]": "Did you mean colours",
}


@pytest.mark.parametrize("assignment", WRONG)
def test_a_wrong_recipe_is_one_message(assignment: str, bench: Workbench, study_folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        bench.plan(str(study_folder / "tiny.yaml"), [assignment])
    assert WRONG[assignment] in str(caught.value)


def test_periods_need_the_same_labels_and_as_many_as_there_are_versions(bench: Workbench, study_folder: Path) -> None:
    recipe = str(study_folder / "tiny.yaml")
    with pytest.raises(SettingsError, match="4 versions need as many periods, and there are 3"):
        bench.plan(recipe, ["scenario=drifting", "tasks=[periods]", "versions=4"])
