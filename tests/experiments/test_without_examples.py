"""K = 0: what is composed answers without an example of its target, where answers are generated."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.gating.contest import contest
from adapter_workbench.experiments.gating.registry import rival
from adapter_workbench.experiments.gating.takeover import Takeover
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.studies.compositions.figures import scores_by_shots
from adapter_workbench.experiments.studies.compositions.page import present
from adapter_workbench.experiments.studies.compositions.record import PICKS, results_in
from adapter_workbench.workbench.errors import GateError, InputError
from adapter_workbench.workbench.machine.listener import Silent
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call
from tests.messages import naming
from tests.runs import pieces
from tests.streams import task_files

RECIPE = """name: tiny-words
description: made in tests
backbone: {backbone}
sources:
  tasks: [animals, fruits]
  methods: {{lora: {{learning_rate: 0.03}}}}
  budget: {{train_examples: 24, eval_examples: 8, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
targets: [both]
shots: [4, 0]
seeds: [0]
budget: {{eval_examples: 8, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
compositions:
  sum: {{method: sum}}
  started: {{method: warm-start}}
controls: {{random: [sum], shuffled: []}}
"""
LEARNING = {"full fine-tuning", "started", "started, mixed data"}
FEW = ["budget.max_length=16", "budget.precision=fp32", "budget.eval_examples=8"]


@pytest.fixture(scope="module")
def study_folder(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three tasks whose answer is the noun in the text, one classification, and the recipe."""
    folder = tmp_path_factory.mktemp("place")
    tasks = folder / "tasks"
    tasks.mkdir()
    for name, words in (("animals", SUBJECTS), ("fruits", FRUITS), ("both", [*SUBJECTS[:4], *FRUITS[:4]])):
        rows = [(f"the {word} {filler}", word) for word in words for filler in FILLERS]
        pd.DataFrame(rows, columns=["question", "noun"]).to_csv(tasks / f"{name}.csv", index=False)
        (tasks / f"{name}.yaml").write_text(
            f"description: Say the noun.\nkind: causal-lm\nfiles: {{data: {name}.csv}}\n"
            "columns: {text: question, answer: noun}\nmax_new_tokens: 4\n"
        )
    for name, text in task_files().items():
        if name.startswith("halves"):
            (tasks / name).write_text(text, encoding="utf-8")
    (folder / "tiny.yaml").write_text(RECIPE.format(backbone=llama), encoding="utf-8")
    return folder


def test_what_learns_from_examples_has_no_score(report) -> None:
    assert report.complete
    assert report.record.shots == (0, 4), "the fewest first"
    scored = {row.label for row in report.rows if row.score("0") is not None}
    assert {row.label for row in report.rows} - scored == LEARNING | {
        label for label in PICKS if report.row(label) is not None
    }
    assert scored >= {"fresh lora", "sum", "sum, random sources", "animals alone, lora", "mixed data alone, lora"}
    assert all(row.validation("0") is None for row in report.rows)
    assert set(report.record.needs_examples) == LEARNING


def test_a_fresh_adapter_is_the_bare_backbone(report, bench: Workbench) -> None:
    results = results_in(bench.workspace)
    (fresh, frozen) = (
        results.require(cell.key)
        for label in ("fresh lora", "frozen features")
        for cell in report.record.cells
        if (cell.label, cell.shots) == (label, 0)
    )
    assert fresh.scores == frozen.scores
    assert (fresh.fit.steps, fresh.fit.trainable_parameters, fresh.fit.validation) == (0, 0, None)


def test_the_one_score_of_a_row_is_over_what_all_take_part_in(report) -> None:
    assert report.overall == "4"
    assert report.row("best composition").score("4") is not None, "picked with examples alone"
    assert report.families["0"].keys() >= {"sum", "mixed data alone, lora"}
    without = [sentence for sentence in report.of_each if "sum" in sentence and "K = 0" in sentence]
    assert without, "each sentence says of which K it is"


def test_all_views_say_so(report) -> None:
    html = drawn_page(present(report), {})
    assert "so what learns from examples of a target has no score: full fine-tuning, started" in html
    assert scores_by_shots(report).axes
    metrics = run_record(present(report)).metrics
    assert ("score/sum", report.row("sum").score("0"), 0) in metrics
    document = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert document["contestants"]["sum"]["standings"]["0"]["validation"] is None
    assert document["contestants"]["started"]["standings"]["0"]["score"] is None


def test_with_no_other_k_everything_is_over_it(report, bench: Workbench, study_folder: Path) -> None:
    alone = bench.run(bench.plan(str(study_folder / "tiny.yaml"), ["name=none", "shots=[0]"]), "test")
    assert alone.complete
    assert alone.overall == "0"
    assert not {*PICKS} & {row.label for row in alone.rows}
    assert alone.contest is alone.mixed_contest is None
    assert alone.row("sum").score("0") == report.row("sum").score("0")
    assert alone.verdict


def test_where_nothing_is_picked_nothing_is_compared_with_a_pick(bench: Workbench, study_folder: Path) -> None:
    path, against = str(study_folder / "tiny.yaml"), "compositions.sum.against=best source"
    bench.plan(path, [against])
    with pytest.raises(InputError, match=naming("never picks here: 'best source', since without examples (K = 0)")):
        bench.plan(path, [against, "shots=[0]"])


def test_pieces_with_examples_stay_as_they_were(bench: Workbench, study_folder: Path) -> None:
    path = str(study_folder / "tiny.yaml")
    without, with_none = ({piece.key for piece in pieces(bench.plan(path, changes))} for changes in (["shots=[4]"], []))
    assert without < with_none


def test_a_head_is_never_fitted_on_nothing(bench: Workbench, study_folder: Path) -> None:
    with pytest.raises(InputError, match=naming("nothing can answer 'halves' (classification)")) as caught:
        bench.plan(str(study_folder / "tiny.yaml"), ["targets=[halves]"])
    assert len(caught.value.problems) == 1


class TestOneFuse:
    def test_it_is_kept_without_a_validation_score(self, report, bench: Workbench, call: Call) -> None:
        sources = ",".join(source["adapter"] for source in report.record.sources)
        fused = bench.fuse(bench.fusion_plan("both", sources, "sum", 0, assignments=FEW))
        manifest = fused.adapter.manifest
        assert (manifest.metrics, manifest.own_fit.validation, manifest.task.max_new_tokens) == ({}, None, 4)
        assert bench.workspace.score(manifest) is None
        row, document = fused.report.row("sum"), fused.report.as_json()
        assert row.score("0") == report.row("sum").score("0")
        assert document["contestants"]["sum"]["standings"]["0"]["validation"] is None
        assert "− fresh lora (the bare backbone): 0.0 [0.0, 0.0], equal within 2 points." in fused.report.verdict
        assert bench.predict(fused.adapter.id, ["the otter often"])
        for command in (["list", "--json"], ["list"], ["show", fused.adapter.id], ["test", fused.adapter.id, "--json"]):
            where = ["--workspace", str(bench.workspace.root), "--tasks", str(bench.task_folders[0])]
            assert call("adapters", *command, *(where if command[0] == "test" else where[:2]))[0] == 0
        few = bench.fusion_plan("both", sources, "sum", assignments=FEW)
        none = bench.fusion_plan("both", sources, "sum", 0, assignments=FEW)
        assert few.single_trial("sum").key != none.single_trial("sum").key

    def test_it_does_not_take_over_for_want_of_a_score(self, report, bench: Workbench) -> None:
        """It has no validation score, and yet both answer the same rows, so that they can be compared."""
        sources = ",".join(source["adapter"] for source in report.record.sources)
        backbone = bench.workspace.adapters.get(sources.split(",")[0]).manifest.backbone.name
        settings = ["learning_rate=0.03", "budget={epochs: 6, batch_size: 8, max_length: 16, precision: fp32}"]
        champion = bench.train(bench.lesson_from("both", "lora", backbone, 0, settings)).adapter
        bench.release.register(champion.id)
        fused = bench.fuse(bench.fusion_plan("both", sources, "sum", 0, assignments=FEW)).adapter
        beside = contest(bench.workspace, fused, rival(fused, bench.workspace, Silent()), bench.task_folders)
        assert isinstance(beside.outcome, Takeover)
        assert beside.outcome.scores[0] > beside.outcome.scores[1], "the champion learned the task"
        with pytest.raises(GateError, match=naming(f"{champion.id} stays champion", "validation rows")):
            bench.release.promote(fused.id, None)
        assert "both.sum" not in bench.workspace.champions.names()

    @pytest.mark.parametrize(
        ("target", "method", "sources", "message"),
        [
            ("both", "mix", "", "mix learns from examples of 'both', and there are none"),
            ("both", "sum", "auto:2", "auto:2 ranks adapters by examples of 'both'"),
            ("halves", "sum", "", "nothing can answer 'halves', a classification task"),
        ],
    )
    def test_what_reads_examples_is_refused(
        self, target: str, method: str, sources: str, message: str, report, bench: Workbench, study_folder, call: Call
    ) -> None:
        given = sources or report.record.sources[0]["adapter"]
        where = ["--workspace", str(bench.workspace.root), "--tasks", str(study_folder / "tasks")]
        code, _, err = call("fuse", target, "--from", given, "--method", method, "--shots", "0", *where)
        assert code == 2
        assert message in " ".join(err.split())
