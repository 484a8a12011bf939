"""Compositions of random and shuffled sources: planned once, comparable, and mistaken by nobody for sources."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.reporting.differences import Difference
from adapter_workbench.experiments.studies.compositions.record import PICKS, results_in
from adapter_workbench.experiments.studies.compositions.verdict import of_each
from adapter_workbench.workbench.adapters.name_resolution import readable
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.statistics import Interval
from adapter_workbench.workbench.methods.sampling import draw
from tests.conftest import Call
from tests.messages import naming
from tests.runs import SMALL_COMPARISON, assert_for_comparison_alone, pieces

RECIPE = (
    SMALL_COMPARISON
    + """name: tiny-controls
targets: [fruits]
compositions:
  sum: {{method: sum}}
  mixed: {{method: mix}}
  started: {{method: warm-start}}
controls: {{mixed: []}}
"""
)
FEW = ["budget.epochs=1", "budget.batch_size=8", "budget.max_length=16", "budget.precision=fp32"]
OFF = "controls={random: [], shuffled: [], mixed: []}"
LABELS = {"random": "mixed, random sources", "shuffled": "mixed, shuffled sources"}


def test_the_first_composition_that_trains_is_made_of_them_too(report) -> None:
    for kind, label in LABELS.items():
        row, composed = report.row(label), report.row("mixed")
        assert (row.role, row.control) == (kind, "mixed")
        assert (row.entry.method, row.entry.family) == (composed.entry.method, composed.entry.family)
        skill = composed.score("8") - row.score("8")
        assert row.differences["8"].seeds.mean == pytest.approx(-skill)
    assert not {"random", "shuffled"} & {role for roles in PICKS.values() for role in roles}
    assert {label for label in report.as_json()["contestants"] if label.startswith("started")} == {"started"}


def test_a_report_says_what_the_skill_is_worth(report) -> None:
    def scored(results: Any, score: float) -> dict[Any, Any]:
        return {at: replace(of, result=replace(of.result, score=score)) for at, of in results.items()}

    def said(p: float, p_equal: float | None = None) -> list[str]:
        measured = Interval(-0.125, -0.25, 0.0, values=(-0.1, -0.15))
        gain = Difference(measured, p, p, p_equal=p_equal, margin=0.05)
        rows = [
            replace(row, results=scored(row.results, 0.5), differences={"8": gain}) if row.role in LABELS else row
            for row in report.rows
        ]
        return of_each(replace(report, rows=tuple(rows)))

    random = "With random adapters of the same norms in place of its sources mixed scores 50.0 %: "
    assert f"{random}the sources' skill is worth +12.5 points [0.0, 25.0]." in said(0.01)
    assert f"{random}what the sources' skill is worth is undecided (+12.5 points [0.0, 25.0])." in said(0.2)
    assert f"{random}that is equal within 5 points (+12.5 points [0.0, 25.0])." in said(0.2, 0.01)
    shuffled = "With sources trained on shuffled answers in place of its sources mixed scores 50.0 %: "
    assert f"{shuffled}answers that fit their texts are worth +12.5 points [0.0, 25.0]." in said(0.01)


def test_they_are_new_pieces_and_no_other_changes(bench: Workbench, study_folder: Path) -> None:
    path = str(study_folder / "tiny.yaml")
    without, with_controls = ({piece.key for piece in pieces(bench.plan(path, changes))} for changes in ([OFF], []))
    assert without < with_controls
    assert len(with_controls) == len(without) + 2 + 2, "two shuffled sources, and a trial of both kinds"


def test_a_recipe_names_which(bench: Workbench, study_folder: Path) -> None:
    plan = bench.plan(str(study_folder / "tiny.yaml"), ["controls={random: [sum, mixed], shuffled: [], mixed: []}"])
    assert plan.controls == {"sum": ("random",), "mixed": ("random",)}
    assert plan.shuffled == {}


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ("{random: [summ]}", "'controls' names no composition: 'summ'"),
        ("{shuffled: [nearest]}", "'nearest' cannot be made of shuffled sources: task-retrieval reads their own tasks"),
        ("{random: [none]}", "'none' cannot be made of random sources: it has no sources"),
        ("{rndom: [sum]}", "rndom"),
    ],
)
def test_what_cannot_be_is_refused(controls: str, message: str, bench: Workbench, study_folder: Path) -> None:
    others = ["compositions.nearest={method: task-retrieval}", "compositions.none={method: warm-start, start: fresh}"]
    with pytest.raises(InputError, match=naming(message)):
        bench.plan(str(study_folder / "tiny.yaml"), [*others, f"controls={controls}"])


def test_shuffled_sources_saw_the_same_texts(report, bench: Workbench, study_folder: Path) -> None:
    plan = bench.plan(str(study_folder / "tiny.yaml"))
    trained, shuffled = plan.lessons[0, "lora"], plan.shuffled[0, "lora"]
    for lesson, twin in zip(trained, shuffled, strict=True):
        assert (twin.adaptation, twin.budget, twin.seed) == (lesson.adaptation, lesson.budget, lesson.seed)
        seen, shown = (draw(own.task, own.budget, own.seed).splits["train"] for own in (lesson, twin))
        assert (seen["text"][:], len(seen)) == (shown["text"][:], 32)
        assert seen["label"][:] != shown["label"][:]
        manifest = bench.workspace.adapters.get(twin.adapter_id).manifest
        assert manifest.task.shuffled
        assert manifest.own_fit.steps == bench.workspace.adapters.get(lesson.adapter_id).manifest.own_fit.steps


def test_they_are_nobody_s_source_and_nobody_s_answer(report, bench: Workbench) -> None:
    assert any(manifest.task.shuffled for manifest in readable(bench.workspace.adapters))
    assert_for_comparison_alone(bench, report.record.backbone)


@pytest.fixture(scope="module")
def sources(report) -> str:
    return ",".join(source["adapter"] for source in report.record.sources)


class TestOneFuse:
    def test_a_fuse_is_made_of_both_where_that_is_asked_for(self, sources: str, bench: Workbench, plan: Any) -> None:
        given: dict[str, Any] = {"assignments": [*FEW, "rank=8"], "full": False, "controls": ["shuffled", "random"]}
        own = bench.fusion_plan("fruits", sources, "warm-start", 8, **given)
        own_ids, recipe_ids = ([lesson.adapter_id for lesson in of.shuffled[0, "lora"]] for of in (own, plan))
        assert own_ids == recipe_ids, "a stored source's lesson is the one that it came of"
        report = bench.fuse(own).report
        for kind in ("random", "shuffled"):
            row = report.row(f"warm-start, {kind} sources")
            assert (row.role, row.control) == (kind, "warm-start")
            (cell,) = (cell for cell in report.record.cells if cell.label == row.label)
            assert results_in(bench.workspace).get(cell.key).fit.steps > 0
        assert "With random adapters of the same norms in place of its sources warm-start scores" in report.verdict

    def test_what_trains_is_made_of_random_ones_by_default(self, sources: str, bench: Workbench) -> None:
        trained = bench.fusion_plan("fruits", sources, "warm-start", 8, assignments=FEW)
        assert (trained.controls, trained.shuffled) == ({"warm-start": ("random",)}, {})
        assert bench.fusion_plan("fruits", sources, "ties", 8, assignments=FEW).controls == {}
        none = bench.fusion_plan("fruits", sources, "warm-start", 8, assignments=FEW, controls=[])
        assert none.controls == {}
        plan = bench.fusion_plan("fruits", sources, "ties", 8, assignments=FEW, controls=["shuffled"], full=False)
        lessons = plan.shuffled[0, "lora"]
        assert [lesson.task.name for lesson in lessons] == ["animals-shuffled", "halves-shuffled"]
        labels = [piece.label for piece in pieces(plan)]
        assert {f"{lesson.task.name} · lora · seed 0" for lesson in lessons} <= {*labels}
        assert len(labels) == len({*labels})

    @pytest.mark.parametrize(
        ("method", "controls", "message"),
        [("ties", "random, rndom", "no control called 'rndom'"), ("task-retrieval", "random", "reads their own tasks")],
    )
    def test_mistakes_are_named(
        self, method: str, controls: str, message: str, sources: str, study_folder: Path, bench: Workbench, call: Call
    ) -> None:
        where = ["--workspace", str(bench.workspace.root), "--tasks", str(study_folder / "tasks")]
        settings = [part for setting in FEW for part in ("--set", setting)]
        arguments = ["fuse", "fruits", "--from", sources, "--method", method, "--shots", "8", "--controls", controls]
        code, _, err = call(*arguments, *settings, *where)
        assert code == 2
        assert message in " ".join(err.split())

    def test_without_its_data_no_source_is_trained_anew(self, sources: str, bench: Workbench, tmp_path: Path) -> None:
        elsewhere = Workbench(bench.workspace.root, [tmp_path])
        for file in bench.task_folders[0].glob("fruits*"):
            shutil.copy(file, tmp_path)
        with pytest.raises(InputError, match="cannot be trained with shuffled answers: the data of its task"):
            elsewhere.fusion_plan("fruits", sources, "ties", 8, assignments=FEW, controls=["shuffled"])
