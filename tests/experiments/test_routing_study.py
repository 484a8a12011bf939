"""A comparison of routers as a recipe: run once, read without a model, wrong recipes told in one message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.reporting.csv_tables import csv_tables
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.studies.routing import work
from adapter_workbench.experiments.studies.routing.page import present
from adapter_workbench.experiments.studies.routing.record import Entry, EntryResult, RoutingOutcome
from adapter_workbench.experiments.studies.routing.report import (
    ACCURACIES,
    ACCURACY,
    ADAPTER,
    TASK_FOUND,
    RoutingReport,
    summarise,
)
from adapter_workbench.workbench.backbone.network import Network
from adapter_workbench.workbench.errors import InputError, SettingsError
from tests.conftest import Call
from tests.runs import assert_as_declared

RECIPE = """name: tiny-routing
description: made in tests
backbone: {backbone}
tasks: [animals, fruits]
seeds: [0, 1]
budget: {{train_examples: 16, epochs: 2, batch_size: 8, max_length: 16, precision: fp32}}
sources: {{method: lora, learning_rate: 0.02}}
routers:
  oracle: {{}}
  nearest: {{router: prototype, level: task}}
  arrow: {{}}
joint:
  joint-lora: {{method: lora, learning_rate: 0.02}}
"""


def test_every_router_and_joint_model_is_measured_with_every_seed(report: RoutingReport) -> None:
    assert report.complete
    labels = ("oracle", "nearest", "arrow", "joint-lora")
    assert {(cell.label, cell.seed) for cell in report.record.cells} == {
        (label, seed) for label in labels for seed in (0, 1)
    }
    assert report.record.reference == "joint-lora", "the first joint model, where the recipe names none"
    rows = {row.label: row for row in report.rows}
    assert rows["oracle"].over(TASK_FOUND.number).values == (1.0, 1.0)
    assert rows["joint-lora"].difference is None
    assert report.as_json()["contenders"]["joint-lora"]["milliseconds_a_text"] is None
    accuracy = np.mean([ADAPTER[0].number(adapter) for adapter in report.adapters])
    assert ACCURACIES[0].number(rows["oracle"]) == pytest.approx(accuracy), "the oracle is as good as the adapters are"
    for row in report.rows:
        assert np.sum(row.confusion, axis=1) == pytest.approx([1, 1])
        assert row.label == "joint-lora" or (ACCURACIES[0].number(row) or 0) <= accuracy


def test_a_second_run_trains_and_routes_nothing(
    report: RoutingReport, bench: Workbench, plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("done a second time")

    for done in ("known_state", "routed", "teach", "fit_and_evaluate"):
        monkeypatch.setattr(f"adapter_workbench.experiments.studies.routing.work.{done}", refuse)
    assert bench.pending(plan) == []
    assert bench.run(plan, "another command").as_json(full=True) == report.as_json(full=True)


def test_a_router_that_is_added_needs_no_training(
    report: RoutingReport, bench: Workbench, plan, study_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = bench.plan(str(study_folder / "tiny.yaml"), ["routers.mahalanobis={}"])
    waiting = bench.pending(more)
    assert [piece.label for piece in waiting] == ["mahalanobis · seed 0", "mahalanobis · seed 1"]
    assert all(piece.alone for piece in waiting), "its time is measured"
    renamed = bench.plan(str(study_folder / "tiny.yaml"), ["name=renamed", "routers={again: {router: arrow}}"])
    assert bench.pending(renamed) == [], "a label is a name and nothing more"


def test_no_router_is_timed_with_what_another_one_read(
    report: RoutingReport, bench: Workbench, study_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three routers that read features of the same texts, with two seeds: each lets the body run as often."""
    batches, counts = [0], dict[str, list[int]](known_state=[], routed=[])
    complete = Network.complete

    def counted_batch(network: Network, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        batches[0] += 1
        return complete(network, inputs)

    def counting(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any) -> Any:
            before = batches[0]
            done = do(*given)
            counts[name].append(batches[0] - before)
            return done

        return counted

    monkeypatch.setattr(Network, "complete", counted_batch)
    for name in counts:
        monkeypatch.setattr(f"{work.__name__}.{name}", counting(name, getattr(work, name)))
    routers = "routers={prototype: {}, mahalanobis: {}, ranpac: {width: 16}}"
    bench.run(bench.plan(str(study_folder / "tiny.yaml"), ["name=timed", routers]), "a command")
    for read in counts.values():
        assert read == [read[0]] * 6
        assert read[0] > 0


def cell(label: str, seed: int, correct: str) -> EntryResult:
    return EntryResult(RoutingOutcome(((3, 0), (0, 1)), (correct, "0")), 2.0 + seed, 1.0, label, seed)


def test_differences_are_paired_over_the_seeds_that_both_have(report: RoutingReport) -> None:
    """By hand, half of it for the mean over two tasks, the other always 0 − 0.

    Over seeds 0 and 1 the router's three texts are right 1, ½, 0 of the time, the joint model's 0, ½, 0: 1/3 apart; at
    equal seeds 1/3 (2 of 3 against 1) and 1/3 (1 against 0).
    """
    cells = [cell("arrow", 0, "110"), cell("arrow", 1, "100"), cell("arrow", 2, "111")]
    cells += [cell("joint-lora", 0, "010"), cell("joint-lora", 1, "000")]
    record = replace(report.record, seeds=(0, 1, 2), cells=tuple(cells), adapters=())
    summary = summarise(record, Path)
    arrow = next(row for row in summary.rows if row.label == "arrow")
    assert arrow.difference is not None
    assert arrow.difference.seeds.values == (pytest.approx(1 / 6), pytest.approx(1 / 6), None)
    assert arrow.difference.examples is not None
    assert arrow.difference.examples.mean == pytest.approx(1 / 6)
    assert arrow.difference.examples.low is not None
    assert arrow.difference.examples.low < 1 / 6 < (arrow.difference.examples.high or 0)
    assert summary.as_json()["contenders"]["arrow"]["fit_seconds"] == 3.0
    assert summary.verdict.startswith("Not finished: 5 of 18 adapters, joint models and routers are there.")


def test_held_against_each_other_routers_differ_as_the_report_says(report: RoutingReport, bench: Workbench) -> None:
    assert_as_declared(report, bench.workspace)


def test_the_verdict_is_about_the_best_router_that_has_to_find_the_task(report: RoutingReport) -> None:
    best = max(
        (row for row in report.rows if row.label in ("nearest", "arrow")),
        key=lambda row: ACCURACIES[0].number(row) or 0,
    )
    assert report.verdict.startswith(f"{best.label} has the highest test accuracy of the routers")
    assert "joint-lora" in report.verdict
    accuracy = next(ACCURACIES[0].number(row) for row in report.rows if row.label == "oracle")
    assert f"Where the task is known, it is {100 * (accuracy or 0):.1f} %." in report.verdict


def test_what_was_not_equal_is_found(report: RoutingReport) -> None:
    unequal = {inequality.what: inequality for inequality in report.unequal}
    one_model = unequal.pop("models that answer")
    assert (one_model.expected, one_model.others) == (1, ((2, ("oracle", "nearest", "arrow")),))
    together = unequal.pop("tasks whose examples a fit sees")
    assert (together.expected, together.others) == (2, ((1, ("oracle", "nearest", "arrow")),))
    informed, read = unequal.pop("is told the task"), unequal.pop("examples of each task that the router reads")
    assert informed.others == (("yes", ("oracle",)),)
    assert read.others == ((16, ("nearest",)),)
    assert not unequal
    assert report.as_json()["not_equal"] == [inequality.as_json() for inequality in report.unequal]
    assert "<h2>What was not equal" in drawn_page(present(report), {})


def test_a_router_that_is_trained_is_told_apart_from_those_that_are_not(report: RoutingReport) -> None:
    gates = Entry("gates", "router", "gates", {"steps": 100}, reads_data=True)
    changed = replace(report, record=replace(report.record, entries=(*report.record.entries, gates)))
    (steps,) = (
        inequality for inequality in changed.unequal if inequality.what == "optimiser steps of the router for each task"
    )
    assert (steps.expected, steps.others) == (0, ((100, ("gates",)),))


def test_equal_routers_are_called_that(report: RoutingReport) -> None:
    arrow = next(entry for entry in report.record.entries if entry.label == "arrow")
    alike = replace(report.record, reference="arrow", entries=(arrow, replace(arrow, label="again")))
    cells = [replace(cell, label="again") for cell in alike.cells if cell.label == "arrow"]
    equal = summarise(replace(alike, cells=(*alike.cells, *cells)), Path)
    assert not equal.unequal
    assert "What was not equal: nothing that the settings tell." in drawn_page(present(equal), {})
    older = replace(arrow, label="again", reads_data=None)
    assert not summarise(replace(alike, entries=(arrow, older)), Path).unequal


def test_json_page_tables_and_runs_tell_the_same(report: RoutingReport, bench: Workbench) -> None:
    folder = bench.workspace.experiment("tiny-routing")
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert document == json.loads(json.dumps(bench.report("tiny-routing").as_json(full=True), allow_nan=False))
    assert document["verdict"] == report.verdict
    assert document["contenders"]["arrow"]["milliseconds_a_text"] > 0
    assert document["contenders"]["nearest"]["settings"] == {"level": "task"}
    assert document["sources"]["method"] == "lora"
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
    shown = present(report)
    html = drawn_page(shown, {"confusion": (folder / "confusion.png").read_bytes()})
    assert all(row.label in html for row in report.rows)
    assert "Which tasks are taken for which" in html
    lines = csv_tables(shown)["confusion-arrow.csv"].decode().splitlines()
    arrow = next(row for row in report.rows if row.label == "arrow")
    assert [float(value) for value in lines[1].split(",")[1:]] == pytest.approx(arrow.confusion[0])
    run = run_record(shown)
    assert run.finished
    assert len(run.children) == 8
    assert ("oracle/routing_accuracy", 1.0, 2) in run.metrics
    child = next(child for child in run.children if child.name == "arrow seed 1")
    assert ("accuracy", arrow.over(ACCURACY.number).values[1], 0) in child.metrics


def test_the_commands_know_it_as_any_other_experiment(report: RoutingReport, study_folder: Path, call: Call) -> None:
    options = ["--workspace", str(study_folder / "space")]
    code, out, err = call("report", "tiny-routing", "--json", *options)
    assert code == 0, err
    assert json.loads(out)["contenders"]["arrow"]["routing_accuracy"]["mean"] > 0
    recipe = [str(study_folder / "tiny.yaml"), "--tasks", str(study_folder / "tasks"), *options]
    code, out, err = call("run", *recipe, "--dry-run", "--json")
    assert code == 0, err
    ahead = json.loads(out)
    assert (ahead["study"], len(ahead["pieces"])) == ("routing", 12)
    assert all(piece["done"] for piece in ahead["pieces"])
    code, out, err = call("run", *recipe, "--dry-run")
    assert code == 0, err
    head, *rows = out.split("\n\n")[0].splitlines()
    assert head.split()[:2] == ["part", "done"], "parts that have other places than each other share a column"
    assert any(row.startswith("router · arrow · 0 ") for row in rows)
    code, out, err = call("run", *recipe)
    assert code == 0, err
    assert "task found" in out
    assert report.verdict.split(":")[0] in " ".join(out.split())


WRONG = {
    "routers={prototyp: {}}": "Did you mean prototype",
    "routers.arrow.level=task": "unknown key 'routers.arrow.level'",
    "routers.nearest.level=word": "'routers.nearest.level'",
    "routers.Arrow={router: arrow}": "look the same in the tables",
    "joint.arrow={method: lora}": "look the same in the tables",
    "joint={together: {}}": "no method called 'together'",
    "joint.joint-lora.rank=0": "'joint.joint-lora.rank'",
    "reference=aroow": "Did you mean arrow",
    "sources={method: pfeiffer}": "router arrow chooses among adapters of peft; pfeiffer is one of adapters",
    "sources={method: dora}": "arrow: the adapters' updates cannot be read",
    "sources={rank: 4}": "'sources' needs method",
    "sources=lora": "'sources': expected a mapping",
    "sources.rnk=4": "Did you mean",
    "tasks=[animals]": "'tasks'",
    "tasks=[animals, animals]": "named more than once",
    "budget.max_length=1000": "max_length 1000 is more than",
    "seeds=[0, 0]": "named more than once",
}


@pytest.mark.parametrize("assignment", WRONG)
def test_a_wrong_recipe_is_one_message(assignment: str, bench: Workbench, study_folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        bench.plan(str(study_folder / "tiny.yaml"), [assignment])
    assert WRONG[assignment] in str(caught.value)
    assert caught.value.where or isinstance(caught.value, SettingsError)


def test_all_that_is_wrong_is_told_with_its_lines(bert: Path, study_folder: Path, bench: Workbench) -> None:
    text = RECIPE.format(backbone=bert).replace("arrow: {}", "arow: {}").replace("level: task", "level: all")
    path = study_folder / "wrong.yaml"
    path.write_text(text.replace("[animals, fruits]", "[animals, frits]"), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        bench.plan(str(path))
    lines = {problem.where for problem in caught.value.problems}
    assert lines == {f"{path}, line {line}" for line in (4, 10, 11)}


def test_tasks_that_routers_cannot_tell_apart_are_refused(bench: Workbench, study_folder: Path) -> None:
    folder = study_folder / "tasks"
    (folder / "numbers.csv").write_text("text,label\n" + "".join(f"cat {n},{n}.5\n" for n in range(40)))
    (folder / "numbers.yaml").write_text(
        "description: d\nkind: regression\nfiles: {train: numbers.csv}\ncolumns: {text: text, label: label}\n"
        "license: CC0-1.0\n"
    )
    with pytest.raises(SettingsError, match="task 'numbers' is regression"):
        bench.plan(str(study_folder / "tiny.yaml"), ["tasks=[animals, numbers]"])

    for split in ("train", "validation", "test"):
        lines = (folder / f"fruits-{split}.csv").read_text(encoding="utf-8").splitlines()
        rows = [f"{line.rpartition(',')[0]},dog,{line.rpartition(',')[2]}" for line in lines[1:]]
        (folder / f"pairs-{split}.csv").write_text("\n".join(["text,other,label", *rows]), encoding="utf-8")
    files = ", ".join(f"{split}: pairs-{split}.csv" for split in ("train", "validation", "test"))
    (folder / "pairs.yaml").write_text(
        f"description: d\nfiles: {{{files}}}\nlicense: CC0-1.0\n"
        "columns: {text: text, text_pair: other, label: label}\n"
    )
    with pytest.raises(InputError, match="only pairs"):
        bench.plan(str(study_folder / "tiny.yaml"), ["tasks=[animals, pairs]"])
