"""The record of an experiment: what a run goes on with, what it keeps, whose name it is, and what makes it another."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.system_metrics import points
from adapter_workbench.experiments.studies import report_of
from adapter_workbench.experiments.workspace import PieceReference, RecordDocument, Workspace
from adapter_workbench.workbench.errors import InputError
from tests.conftest import Call
from tests.ear import Ear
from tests.experiments.conftest import FirstRun
from tests.messages import lacks, naming
from tests.patience import PATIENCE
from tests.runs import done, pieces
from tests.streams import write_recipe

SMALL = ["tasks=[animals, halves]", "budget.epochs=1", "budget.train_examples=16", "seeds=[0]"]
METHODS = """name: methods
backbone: {backbone}
tasks: [animals]
seeds: [0, 1]
budget: {{train_examples: 16, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
methods: {{lora: {{}}, head: {{}}}}
"""


@pytest.fixture
def recipe(bert: Path, tmp_path: Path) -> str:
    (tmp_path / "methods.yaml").write_text(METHODS.format(backbone=bert), encoding="utf-8")
    return str(write_recipe(tmp_path, bert))


@pytest.fixture
def bench(recipe: str, tmp_path: Path) -> Workbench:
    return Workbench(tmp_path / "space", [tmp_path / "tasks"], Ear())


def test_a_changed_reference_counts_at_the_next_run(first_run: FirstRun, recipe: str) -> None:
    bench = first_run(*SMALL)
    first = bench.report("stream")
    bench.listener = ear = Ear()
    second = bench.run(bench.plan(recipe, [*SMALL, "reference=isolated"]))
    assert (first.record.reference, second.record.reference) == ("sequential", "isolated")
    assert (ear.fits, ear.said) == ([], [])
    assert bench.workspace.records.names() == ["stream"]
    assert second.record.provenance == first.record.provenance


def test_an_edited_recipe_keeps_what_was_there_and_says_so(first_run: FirstRun, recipe: str) -> None:
    bench = first_run(*SMALL)
    before = bench.report("stream").as_json()
    bench.listener = ear = Ear()
    after = bench.run(bench.plan(recipe, [*SMALL, "budget.train_examples=24"]), "workbench run second").as_json()
    (aside,) = set(bench.workspace.records.names()) - {"stream"}
    assert [line for line in ear.said if aside in line and "has changed" in line]
    kept = report_of(bench.workspace, aside).as_json()
    assert {**kept, "experiment": "stream"} == before
    assert report_of(bench.workspace, "stream").as_json() == after
    assert after["budget"]["train_examples"] == 24


def test_a_recipe_that_asks_for_more_goes_on_with_its_record(first_run: FirstRun, recipe: str) -> None:
    bench = first_run(*SMALL)
    bench.listener = ear = Ear()
    wider = bench.run(bench.plan(recipe, [*SMALL, "seeds=[0, 1]"]), "workbench run second")
    assert bench.workspace.records.names() == ["stream"]
    assert wider.complete
    assert wider.record.provenance["command"] == "workbench run first"
    assert all("seed 1" in label for label in ear.fits)


def test_two_kinds_of_experiments_do_not_share_a_name(first_run: FirstRun, recipe: str, tmp_path: Path) -> None:
    bench = first_run(*SMALL)
    methods = bench.plan(str(tmp_path / "methods.yaml"), ["name=stream"])
    with pytest.raises(InputError, match=naming("'stream'", "another kind of experiment")):
        bench.run(methods)
    assert bench.report("stream").complete


def test_a_run_that_is_stopped_takes_nothing_from_a_finished_record(
    bench: Workbench, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = str(tmp_path / "methods.yaml")
    report = bench.run(bench.plan(methods), "workbench run first")
    bench.workspace.adapters.remove(report.record.cells[0].adapter)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adapter_workbench.workbench.training.fitting.fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        bench.run(bench.plan(methods), "workbench run second")
    there = report_of(Workspace(bench.workspace.root), "methods")
    assert there.as_json(full=True) == report.as_json(full=True)


def test_changed_data_are_another_experiment_in_mlflow(first_run: FirstRun, recipe: str) -> None:
    bench = first_run(*SMALL)
    plan = bench.plan(recipe, SMALL)
    record = bench.workspace.records.require("stream")
    first, *others = plan.tasks
    turned = replace(first, fingerprint="other rows")
    changed = bench.plan(recipe, SMALL)
    stages = tuple(replace(stage, key=f"{stage.key[:-1]}x", before=None) for stage in changed.stages)
    other = replace(changed, tasks=(turned, *others), orders=((turned, *others),), stages=stages)
    assert {piece.key for piece in pieces(other)}.isdisjoint(record.keys)
    from adapter_workbench.experiments.engine.run import new_record
    from adapter_workbench.experiments.studies import STUDIES

    study = STUDIES.get("stream")
    assert new_record(study, other, pieces(other), "").identity != record.identity
    assert new_record(study, plan, pieces(plan), "another command").identity == record.identity


@pytest.mark.parametrize("file", ["record.json", "comparison.json", "fusion.json"])
def test_the_record_of_an_earlier_version_is_refused_by_a_report_and_set_aside_by_a_run(
    file: str, recipe: str, call: Call, tmp_path: Path
) -> None:
    folder = tmp_path / ".workbench" / "experiments" / "stream"
    folder.mkdir(parents=True)
    (folder / file).write_text(json.dumps({"experiment": "stream", "steps": [], "cells": []}), encoding="utf-8")
    code, _, err = call("report", "stream")
    assert (code, lacks(err, "earlier version", "'stream'") == []) == (2, True)
    assert call("report")[0] == 0, "the list goes on"
    small = [part for change in SMALL for part in ("--set", change)]
    code, _, err = call("run", recipe, *small, "--tasks", str(tmp_path / "tasks"))
    assert code == 0, err
    assert "kept as 'stream-before-" in err
    assert call("report", "stream")[0] == 0
    assert len([*tmp_path.glob(f".workbench/experiments/stream-before-*/{file}")]) == 1


def test_the_load_of_a_run_is_set_aside_with_its_record(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "space")
    first, changed = (RecordDocument("methods", {}, (PieceReference(key, {}),), {}, key) for key in ("a", "b"))
    space.records.begin("x", first, print)
    space.system("x").parent.mkdir()
    space.system("x").write_text('{"cpu": 1}\n', encoding="utf-8")
    space.records.begin("x", changed, print)
    aside, name = space.records.runs("x")
    assert points(space.system(aside)) == (("system/cpu", 1, 0),)
    assert points(space.system(name)) == ()


def test_whoever_trains_the_same_adapter_is_waited_for(bench: Workbench, recipe: str) -> None:
    """Two recipes that begin alike learn the same lesson: one of them trains it, the other one takes it."""
    plan = bench.plan(
        recipe, [*SMALL, "strategies={isolated: {strategy: isolated, method: lora}}", "reference=isolated"]
    )
    first, *_ = pieces(plan)
    from adapter_workbench.workbench.training import Lesson

    entry = plan.entries[0]
    lesson = Lesson(plan.tasks[0], plan.adaptation(entry), plan.recipe.budget, 0)
    runner = threading.Thread(target=done, args=(plan, bench.workspace), daemon=True)
    with bench.workspace.claim(lesson.key):
        runner.start()
        runner.join(1)
        assert not first.is_done(bench.workspace)
        assert lesson.adapter_id not in bench.workspace.adapters.ids()
    runner.join(PATIENCE)
    assert first.is_done(bench.workspace)
