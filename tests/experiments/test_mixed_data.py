"""One adapter on the sources' data mixed: trained on what they saw, tried as they are, mistaken for none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.recipes import find_recipe
from adapter_workbench.experiments.studies.compositions.rivals import why_unmixable
from adapter_workbench.workbench.adapters.name_resolution import readable
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.sampling import draw
from tests.messages import naming
from tests.runs import assert_for_comparison_alone, pieces

RECIPE = """name: tiny-mixed
description: made in tests
backbone: {backbone}
sources:
  tasks: [animals, halves]
  methods: {{lora: {{learning_rate: 0.02, rank: 4}}}}
  budget: {{train_examples: 32, validation_examples: 8, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
targets: [fruits]
shots: [8]
seeds: [0]
budget: {{epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
fresh: {{lora: {{learning_rate: 0.01}}}}
compositions:
  sum: {{method: sum}}
  none: {{method: warm-start, start: fresh}}
  started: {{method: warm-start, start: [fresh, ties], part: 0.5, rank: 4}}
  again: {{method: warm-start}}
controls: {{random: [], shuffled: []}}
"""
ALONE, BEGUN, PICKED = "mixed data alone, lora", "started, mixed data", "best mixed-data adapter"
OFF = "controls={random: [], shuffled: [], mixed: []}"


def test_it_is_trained_on_the_rows_that_the_sources_saw_for_as_many_steps(bench: Workbench, report, plan: Any) -> None:
    lesson, sources = plan.mixed[0, "lora"], plan.lessons[0, "lora"]
    for split in ("train", "validation"):
        seen = draw(lesson.task, lesson.budget, lesson.seed).splits[split]["text"][:]
        shown = [draw(source.task, source.budget, source.seed).splits[split]["text"][:] for source in sources]
        assert seen == [text for texts in shown for text in texts]
    trained, *others = (bench.workspace.adapters.get(own.adapter_id).manifest for own in (lesson, *sources))
    assert trained.own_fit.steps == sum(manifest.own_fit.steps for manifest in others) == 8
    assert all((trained.method, trained.settings) == (manifest.method, manifest.settings) for manifest in others)


def test_it_is_tried_as_a_source_is_and_as_what_a_training_begins_at(report, plan: Any) -> None:
    alone, source = report.row(ALONE), report.row("animals alone, lora")
    assert (alone.entry.method, alone.entry.family, alone.control) == (
        source.entry.method,
        source.entry.family,
        source.control,
    )
    entries = {entry.label: entry for entry in plan.all_entries(0)}
    begun, composed = entries[BEGUN], entries["started"]
    assert begun.settings.start == ("fresh", "single")
    assert begun.settings == composed.settings.model_copy(update={"start": begun.settings.start})
    assert [source.adapter for source in begun.sources] == [plan.mixed[0, "lora"].adapter_id]
    assert (report.row(BEGUN).role, report.row(BEGUN).control) == ("mixed", "started")
    assert {label for label in entries if "mixed data" in label} == {ALONE, BEGUN}, "the first start with sources"


def test_the_report_says_whether_composing_beats_it(report) -> None:
    picked, composed = (report.row(label).score("8") for label in (PICKED, "best composition"))
    assert report.mixed_contest.seeds.mean == pytest.approx(composed - picked)
    document = report.as_json()["best_composition_minus_best_mixed_data"]
    assert document["mean"] == report.mixed_contest.seeds.mean
    assert set(report.row(PICKED).chosen) <= {ALONE, BEGUN}
    assert "the adapter trained on the sources' data mixed that it picks (" in report.verdict
    said = "With one adapter trained on the data of all sources mixed in place of its sources started scores"
    assert said in report.verdict, "of all, also where a composition is made of some"


def test_without_a_start_the_report_is_about_it_alone(bench: Workbench, report, study_folder: Path) -> None:
    changes = ["name=alone", "compositions={sum: {method: sum}, ties: {method: ties}}"]
    told = bench.run(bench.plan(str(study_folder / "tiny.yaml"), changes), "test")
    score = told.row(ALONE).score("8")
    assert told.mixed_contest.seeds.mean == pytest.approx(told.row("best composition").score("8") - score)
    assert "the adapter trained on the sources' data mixed" in told.verdict
    assert told.row(PICKED) is None


def test_they_are_new_pieces_and_no_other_changes(bench: Workbench, study_folder: Path) -> None:
    path = str(study_folder / "tiny.yaml")
    without, with_mixed = ({piece.key for piece in pieces(bench.plan(path, changes))} for changes in ([OFF], []))
    assert without < with_mixed
    assert len(with_mixed) == len(without) + 3, "the adapter, and a trial of each row"


@pytest.mark.parametrize("name", ["fuse-new-task", "fuse-reasoning"])
def test_shipped_recipes_with_stored_results_are_left_as_they_are(name: str) -> None:
    assert find_recipe(name).data["controls"]["mixed"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["controls.mixed=[lor]"], "'controls.mixed' names no method of 'sources.methods': 'lor'"),
        ([OFF, f"compositions.sum.against={ALONE}"], f"'against' names what 'controls.mixed' leaves out: '{ALONE}'"),
    ],
)
def test_what_cannot_be_is_refused(changes: list[str], message: str, bench: Workbench, study_folder: Path) -> None:
    with pytest.raises(InputError, match=naming(message)):
        bench.plan(str(study_folder / "tiny.yaml"), changes)


def test_an_entry_may_be_compared_with_it(bench: Workbench, study_folder: Path) -> None:
    plan = bench.plan(str(study_folder / "tiny.yaml"), [f"compositions.sum.against={ALONE}"])
    assert next(entry for entry in plan.all_entries(0) if entry.label == "sum").against == ALONE


def test_what_is_made_of_some_sources_begins_at_the_mixed_data_of_all(bench: Workbench, study_folder: Path) -> None:
    plan = bench.plan(str(study_folder / "tiny.yaml"), ["compositions.started.sources={fruits: [halves]}"])
    begun = next(entry for entry in plan.all_entries(0) if entry.label == BEGUN).on("fruits")
    assert [source.adapter for source in begun.sources] == [plan.mixed[0, "lora"].adapter_id]


def test_rows_of_some_kinds_are_not_mixed() -> None:
    assert [why_unmixable([kind]) for kind in ("classification", "causal-lm", "seq2seq")] == [""] * 3
    assert "several regression tasks" in why_unmixable(["regression", "regression"])
    assert "several kinds (causal-lm, classification)" in why_unmixable(["classification", "causal-lm"])


def test_it_is_nobody_s_source_and_nobody_s_answer(report, bench: Workbench) -> None:
    assert any(manifest.task.joint for manifest in readable(bench.workspace.adapters))
    assert_for_comparison_alone(bench, report.record.backbone)
