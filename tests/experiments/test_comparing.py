"""Comparisons of methods on tiny tasks: equal budgets, equal tuning by validation alone, nothing done twice."""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.run import new_record
from adapter_workbench.experiments.engine.work import work_of
from adapter_workbench.experiments.reporting.equality import Inequality, inequalities
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.reporting.power import enough_seeds
from adapter_workbench.experiments.studies import STUDIES, report_on
from adapter_workbench.experiments.studies.core.tune import SPREAD, LearningRateTrial, choose, learning_rates
from adapter_workbench.experiments.studies.core.widening import OUTWARD, is_enclosed
from adapter_workbench.experiments.studies.methods.figures import score_by_parameters
from adapter_workbench.experiments.studies.methods.page import present, tuned
from adapter_workbench.experiments.studies.methods.record import Entry
from adapter_workbench.experiments.studies.methods.report import SCORE, MethodRow, summarise
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.errors import InputError, SettingsError, TrainingError
from adapter_workbench.workbench.training import best_epoch
from adapter_workbench.workbench.training.measured_cost import MeasuredCost
from tests.experiments.made_up_methods import method_row
from tests.messages import naming
from tests.runs import assert_as_declared, pieces

RECIPE = """name: tiny-methods
description: made in tests
backbone: {backbone}
tasks: [animals, halves]
seeds: [0, 1]
budget: {{train_examples: 16, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
methods:
  full: {{learning_rate: 0.003}}
  lora: {{learning_rate: 0.02}}
  lora-2: {{method: lora, rank: 2, learning_rate: 0.02}}
tune: 2
"""


class TestRun:
    def test_every_method_is_trained_on_every_task_with_every_seed(self, report) -> None:
        cells = Counter((cell.label, cell.task, cell.seed) for cell in report.record.cells)
        labels, tasks = ("full", "lora", "lora-2"), ("animals", "halves")
        assert cells == Counter((label, task, seed) for label in labels for task in tasks for seed in (0, 1))
        assert report.complete
        assert report.record.kinds == {"animals": "classification", "halves": "classification"}

    def test_the_manifest_is_where_the_numbers_come_from(self, report, bench: Workbench) -> None:
        cell = report.record.cells[-1]
        adapter = bench.workspace.adapters.verify(cell.adapter)
        fit = adapter.manifest.fit
        recorded = (cell.validation, cell.seconds, cell.trainable_parameters, cell.stored_bytes, cell.learning_rate)
        rate = adapter.manifest.settings["learning_rate"]
        assert recorded == (fit.validation, fit.seconds, fit.trainable_parameters, adapter.bytes, rate)
        assert adapter.manifest.settings["rank"] == 2
        assert cell.spent == fit.spent
        assert report.as_json()["methods"]["lora-2"]["cost"]["processor_seconds"] > 0

    def test_scores_are_means_over_tasks_with_a_t_interval_over_seeds(self, report) -> None:
        cells = [cell for cell in report.record.cells if cell.label == "lora"]
        by_seed = [np.mean([cell.score for cell in cells if cell.seed == seed]) for seed in (0, 1)]
        half = t.ppf(0.975, 1) * np.std(by_seed, ddof=1) / math.sqrt(2)
        score = SCORE.read(report.rows[1])
        assert (score.mean, score.high) == pytest.approx((np.mean(by_seed), np.mean(by_seed) + half))

    def test_differences_are_paired_with_the_reference(self, report) -> None:
        scores = {(cell.label, cell.task, cell.seed): cell.score for cell in report.record.cells}
        gaps = [
            np.mean([scores["lora", task, seed] - scores["full", task, seed] for task in ("animals", "halves")])
            for seed in (0, 1)
        ]
        full, lora, _ = report.rows
        assert full.difference is None
        assert lora.difference.seeds.values == pytest.approx(gaps)
        assert lora.difference.examples.mean == pytest.approx(np.mean(gaps))

    def test_held_against_each_other_methods_differ_as_the_report_says(self, report, bench: Workbench) -> None:
        assert_as_declared(report, bench.workspace)

    def test_a_second_run_trains_and_measures_nothing(
        self, report, bench: Workbench, plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("done a second time")

        monkeypatch.setattr("adapter_workbench.workbench.training.fitting.fit", refuse)
        monkeypatch.setattr("adapter_workbench.experiments.studies.methods.pieces.measure", refuse)
        monkeypatch.setattr("adapter_workbench.experiments.workspace.evaluating.evaluate_model", refuse)
        assert bench.pending(plan) == []
        assert bench.run(plan, "another command").as_json(full=True) == report.as_json(full=True)

    def test_a_run_that_was_stopped_goes_on(
        self, report, bench: Workbench, plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taught = []
        from adapter_workbench.workbench.training import fitting

        fit = fitting.fit
        monkeypatch.setattr(
            "adapter_workbench.workbench.training.fitting.fit", lambda *given: taught.append(given[6]) or fit(*given)
        )
        lost = report.record.cells[-1]
        bench.workspace.adapters.remove(lost.adapter)
        waiting = [piece.label for piece in bench.pending(plan)]
        assert waiting == ["halves · lora-2 · seed 1"]
        again = bench.run(plan, "test")
        assert taught == ["halves · lora-2 · seed 1"]
        assert [cell.score for cell in again.record.cells] == [cell.score for cell in report.record.cells]


OPTUNAS = [0.001, 0.00015784962692033853, 0.0015784962692033842, 0.0004991643488760995, 0.0049916434887609966]


class TestTuning:
    def test_every_method_tries_equally_many_rates_and_keeps_the_best(self, report) -> None:
        searches = report.record.searches
        assert len(searches) == 6
        assert all(is_enclosed(search.attempts) or len(search.attempts) == 2 + OUTWARD for search in searches)
        cells = {(cell.label, cell.task): cell.learning_rate for cell in report.record.cells}
        for search in searches:
            best = max(attempt.validation for attempt in search.attempts)
            chosen = next(attempt for attempt in search.attempts if attempt.learning_rate == search.chosen)
            assert chosen.validation == best
            assert cells[search.label, search.task] == search.chosen

    def test_what_is_chosen_does_not_hang_on_the_test_split(self, report, bench: Workbench, plan) -> None:
        (first, _), (original, *_) = plan.tasks, report.record.searches
        turned = first.splits["test"].map(lambda example: {"label": 1 - example["label"]})
        other = replace(first, splits={**first.splits, "test": turned}, fingerprint="turned around")
        changed = replace(
            plan,
            recipe=plan.recipe.model_copy(update={"name": "turned", "seeds": (0,)}),
            tasks=(other,),
            adaptations={"full": plan.adaptations["full"]},
        )
        (search,) = bench.run(changed).record.searches
        tried = [(attempt.learning_rate, attempt.validation, attempt.log_likelihood) for attempt in original.attempts]
        assert [
            (attempt.learning_rate, attempt.validation, attempt.log_likelihood) for attempt in search.attempts
        ] == tried
        assert search.chosen == original.chosen

    def test_it_uses_a_seed_that_is_not_compared_and_counts_failures(
        self, bench: Workbench, study_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan = bench.plan(
            str(study_folder / "tiny.yaml"), ["name=other", "seeds=[100]", "methods={lora: {}}", "tune=1"]
        )
        seen = []

        def diverge(*given: object) -> None:
            seen.append(given[4])
            raise TrainingError("the loss is not a number")

        monkeypatch.setattr("adapter_workbench.workbench.training.fitting.fit", diverge)
        for _ in range(2):
            with pytest.raises(TrainingError, match="no learning rate worked"):
                bench.run(plan)
        assert seen == [101], "what failed once is not tried again"

    def test_no_checkpoint_is_left_of_what_was_tried(
        self, bench: Workbench, study_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(best_epoch, "CHECKPOINT_SECONDS", 0.0)
        kept, save = [], best_epoch.BestEpoch.on_save

        def saved(keeper: best_epoch.BestEpoch, *given: Any, **named: Any) -> None:
            kept.append(keeper)
            save(keeper, *given, **named)

        monkeypatch.setattr(best_epoch.BestEpoch, "on_save", saved)
        change = ["name=long", "seeds=[0]", "tasks=[animals]", "methods={lora: {learning_rate: 0.01}}", "tune=1"]
        bench.run(bench.plan(str(study_folder / "tiny.yaml"), [*change, "budget.epochs=2"]))
        assert kept, "the case is not what it should be"
        assert not [*(bench.workspace.root / "fits").iterdir()]

    def test_the_first_rate_is_the_methods_own_and_more_are_added_to_fewer(self) -> None:
        few, many, other = (learning_rates(own, n) for own, n in ((1e-3, 3), (1e-3, 9), (5e-2, 3)))
        assert few == many[:3]
        assert many[0] == 1e-3
        assert len(set(many)) == 9
        assert all(1e-3 / SPREAD <= rate <= 1e-3 * SPREAD for rate in many)
        multiples = [rate / few[0] for rate in few]
        assert [rate / 5e-2 for rate in other] == pytest.approx(multiples), "the same for every method"

    def test_the_rates_are_those_of_optuna(self) -> None:
        # QMCSampler(qmc_type="halton", scramble=True, seed=0) of Optuna 5.0 around an enqueued 1e-3, to the last bit:
        # what was tried with it is not tried again
        assert [*learning_rates(1e-3, 5)] == OPTUNAS
        assert learning_rates(1e-3, 1) == (1e-3,)
        assert learning_rates(1e-3, 0) == ()

    def test_equal_scores_are_told_apart_by_likelihood_and_failures_never_win(self) -> None:
        tried = [
            LearningRateTrial(1.0, 0.9, -0.5, 1),
            LearningRateTrial(2.0, 0.9, -0.3, 1),
            LearningRateTrial(3.0, None, None, 1),
        ]
        assert choose(tried) == 2.0


def row(label: str, scores: list[float], parameters: int, memory: float = 100.0) -> MethodRow:
    cost = MeasuredCost("cpu", 5, 100, 0.0, memory, 1e-5, 1e-5, 0.1, 1.1, 1.0, None)
    return method_row(label, scores, parameters, measured=cost)


class TestViews:
    @pytest.mark.usefixtures("report")
    def test_json_page_and_files_tell_the_same(self, bench: Workbench) -> None:
        folder = bench.workspace.experiment("tiny-methods")
        document = json.loads((folder / "report.json").read_text())
        report = bench.report("tiny-methods")  # of now: a verdict names the time that further seeds would take
        assert document == json.loads(json.dumps(report.as_json(full=True), allow_nan=False))
        assert document["verdict"] == report.verdict
        assert document["recommendation"]["method"] in document["methods"]
        assert document["not_equal"] == []
        assert document["methods"]["lora"]["measured"]["inference_ms"] > 0
        (search, *_) = document["methods"]["lora"]["tuning"]
        assert len(search["attempts"]) > 2, "neither of two rates can stand between two others"
        assert search["enclosed"]
        html = drawn_page(present(report), {})
        assert "<script" not in html
        assert "What was not equal: nothing that the settings tell." in html
        assert unescape(report._repr_html_()).count(html) == 1, "a notebook shows the same page"
        assert all(method.label in html for method in report.rows)
        assert report.verdict.replace(" %", "\u00a0%").replace("'", "&#39;") in html
        assert (folder / "score-by-parameters.png").read_bytes().startswith(b"\x89PNG")

    def test_who_had_more_trials_or_fewer_examples_is_told(self, report, bench: Workbench) -> None:
        record = report.record
        searches = [
            replace(search, attempts=search.attempts * 4) if search.label == "lora" else search
            for search in record.searches
        ]
        prompted = Entry("in-context", "in-context", {"shots": 4}, trains=False)
        changed = replace(record, searches=tuple(searches), entries=(*record.entries, prompted))
        told = summarise(changed, bench.workspace.evaluations.require_outcomes)
        rates, examples = told.unequal
        assert rates == Inequality("learning rates tried on a task", "full", 3, ((12, ("lora",)),))
        assert examples == Inequality("training examples of a task", "full", 16, ((4, ("in-context",)),))
        assert told.as_json()["not_equal"] == [rates.as_json(), examples.as_json()]
        assert "<h2>What was not equal" in drawn_page(present(told), {})

    @pytest.mark.parametrize(
        ("methods", "others"),
        [
            ("{full: {}, lora: {learning_rate: 0.02}}", (("the recipe's", ("lora",)),)),
            ("{full: {}, lora: {rank: 2}}", ()),
            ("{full: {learning_rate: 0.003}, lora: {learning_rate: 0.02}}", ()),
        ],
    )
    def test_a_learning_rate_that_the_recipe_chose_for_one_method_alone_is_told(
        self, bench: Workbench, study_folder: Path, tmp_path: Path, methods: str, others: tuple[object, ...]
    ) -> None:
        plan = bench.plan(str(study_folder / "tiny.yaml"), [f"methods={methods}"])
        document = new_record(STUDIES.get("methods"), plan, pieces(plan), "test")
        own = report_on("tiny", document, Workspace(tmp_path)).circumstances
        unequal = [
            (inequality.what, inequality.expected, inequality.others) for inequality in inequalities(own, "full")
        ]
        assert unequal == ([("learning rate, or the first that is tried", "the default", others)] if others else [])

    def test_mlflow_has_a_child_for_each_method_and_seed(self, report) -> None:
        record = run_record(present(report))
        assert record.finished
        assert len(record.children) == 6
        assert record.tags["recommended"] == report.recommendation.label
        assert ("lora/score", SCORE.number(report.rows[1]), 2) in record.metrics
        cell = next(cell for cell in report.record.cells if (cell.label, cell.seed) == ("lora", 1))
        child = next(child for child in record.children if child.name == "lora seed 1")
        assert (f"score/{cell.task}", cell.score, 0) in child.metrics

    def test_a_part_of_it_is_called_that(self, report) -> None:
        part = replace(report.record, cells=report.record.cells[:1], costs={})
        unfinished = summarise(part, lambda key: Path(key))
        assert unfinished.verdict.startswith("Not finished: 1 of 12 adapters are there.")
        assert "Not finished" in drawn_page(present(unfinished), {})
        assert not run_record(present(unfinished)).finished

    def test_names_in_the_picture_do_not_cover_each_other(self, report) -> None:
        crowd = [row(f"method-{index}", [0.9, 0.9 + index / 1000], 70_000 + 9_000 * index) for index in range(10)]
        figure = score_by_parameters(report, crowd)
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
        assert len(boxes) == 10
        assert not any(box.overlaps(other) for index, box in enumerate(boxes) for other in boxes[:index])

    @pytest.mark.parametrize("number", [1, 2])
    def test_methods_that_train_equally_much_are_drawn(self, report, number: int) -> None:
        alike = [row(f"method-{index}", [1.0, 1.0], 75_300) for index in range(number)]
        figure = score_by_parameters(report, alike)  # as LoRA and rank-stabilised LoRA; warnings are errors here
        axes = figure.axes[0]
        assert min(axes.get_position().bounds[2:]) > 0.5, "the axes take most of the picture"
        assert len(axes.texts) == number
        labels = [label.get_text() for label in axes.get_xticklabels(which="both")]
        assert any(labels), "and the axis has numbers"

    @pytest.mark.parametrize(("most", "said"), [(80_000, "30 k"), (9_000_000, "100 k")])
    def test_parameters_are_in_words_on_less_than_a_decade_too(self, report, most: int, said: str) -> None:
        figure = score_by_parameters(report, [row("few", [0.8, 0.9], 20_000), row("many", [0.8, 0.9], most)])
        figure.draw_without_rendering()
        axis = figure.axes[0].xaxis
        labels = [label.get_text() for label in axis.get_ticklabels(which="both")]
        assert said in labels
        assert not any("$" in label for label in labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("methods={loraa: {}}", "Did you mean lora"),
        ("methods.lora.rnk=4", "unknown key 'methods.lora.rnk'"),
        ("methods={fusing: {method: adapterfusion}}", "composed of other adapters"),
        ("reference=head", "in this recipe called 'head'"),
        ("tasks=[animals, halfs]", "no task called 'halfs'"),
        ("tune=-1", "'tune'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(
    bench: Workbench, study_folder: Path, change: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        bench.plan(str(study_folder / "tiny.yaml"), [change])
    assert message in str(caught.value)


@pytest.fixture(scope="module")
def echo(study_folder: Path) -> str:
    """The name of a task whose answers are words."""
    words = "cat dog plum fig the a very often".split()
    rows = [f"{first} {second},{second}" for first in words for second in words]
    (study_folder / "tasks" / "echo.csv").write_text("\n".join(["text,answer", *rows]))
    files = "description: made in tests\nfiles: {data: echo.csv}\ncolumns: {text: text, answer: answer}\n"
    (study_folder / "tasks" / "echo.yaml").write_text(f"kind: causal-lm\nmax_new_tokens: 4\n{files}license: CC0-1.0\n")
    return "echo"


def test_a_method_that_trains_nothing_is_not_tuned(bench: Workbench, echo: str, llama: Path) -> None:
    small = ["budget.max_length=32", "budget.epochs=1", "budget.train_examples=8", "budget.eval_examples=4"]
    fewer = ["methods.in-context.shots=1", "methods.lora.rank=2"]
    plan = bench.comparison_plan(echo, ["lora", "in-context"], [*small, *fewer], backbone=str(llama), tune=2)
    work = work_of(bench.pending(plan))
    assert (work.updates, work.fits) == (7, 7), "at most: two rates of LoRA, two beyond each edge, and an adapter"
    report = bench.run(plan)
    assert report.complete
    assert [(search.label, len(search.attempts)) for search in report.record.searches] == [("lora", 3)]
    sentence = tuned(report)
    assert sentence.startswith("Each at the best of 2 learning rates")
    assert sentence.endswith("; in-context trains nothing and has none.")
    assert sentence in drawn_page(present(report), {})
    work = work_of(bench.pending(plan))
    assert (work.updates, work.fits) == (0, 0)
    nothing = bench.comparison_plan(echo, ["in-context"], [*small, fewer[0]], backbone=str(llama), tune=2)
    assert tuned(bench.run(nothing)) == "Nothing is trained, so that there is no learning rate to choose."


def test_a_method_that_cannot_work_on_the_backbone_says_so_first(bench: Workbench, echo: str, llama: Path) -> None:
    with pytest.raises(SettingsError, match=naming("head", "llama for causal-lm")):
        bench.comparison_plan(echo, ["lora", "head"], ["budget.max_length=16"], backbone=str(llama))


class TestCommand:
    arguments = ("--seeds", "1", "--set", "budget.epochs=1", "--set", "budget.max_length=16")

    @pytest.fixture
    def call(self, study_folder: Path, bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        from adapter_workbench.experiments.cli import main

        monkeypatch.chdir(study_folder)
        monkeypatch.setenv("COLUMNS", "80")
        where = (
            "--workspace",
            str(study_folder / "space"),
            "--tasks",
            str(study_folder / "tasks"),
            "--backbone",
            str(bert),
        )

        def call(*given: str) -> tuple[int, str, str]:
            monkeypatch.setattr(sys, "argv", ["workbench", "compare", *given, *self.arguments, *where])
            with pytest.raises(SystemExit) as leaving:
                main()
            return int(leaving.value.code or 0), *capsys.readouterr()

        return call

    def test_one_task_several_methods(self, call) -> None:
        code, out, err = call("fruits", "--methods", "head,lora")
        assert code == 0, err
        assert {"head", "lora"} <= {line.split(" ")[0] for line in out.splitlines()}
        commands = [line.strip() for line in out.rpartition("Next: ")[2].splitlines()]
        assert re.match(r"workbench compare fruits --methods head,lora .*--seeds 3 ", commands[0]), "one seed is few"
        assert re.match(r'workbench predict fruits-\S+ "some text" --workspace', commands[1])
        code, out, err = call("fruits", "--methods", "head,lora", "--recommend", "--json")
        advised = json.loads(out)
        assert advised["method"] is None
        assert advised["why"].startswith("With one seed nothing can be recommended")
        assert "steps" not in err, "nothing is trained a second time"

    def test_a_misspelt_method(self, call) -> None:
        code, _, err = call("fruits", "--methods", "head,loar")
        assert code == 2
        assert "Did you mean lora" in err


def test_a_run_is_planned_with_as_many_seeds_as_find_a_difference(report, study_folder: Path, call) -> None:
    where = ["--workspace", str(study_folder / "space"), "--tasks", str(study_folder / "tasks")]
    command = ["run", str(study_folder / "tiny.yaml"), "--dry-run", *where, "--seeds-for"]
    needed = enough_seeds(report.seeds, report.declared, 0.4)
    code, out, err = call(*command, "40")
    assert (code, f"{len(needed)} seeds: {', '.join(map(str, needed))}" in err) == (0, True)
    assert "Time:" in out
    code, _, err = call(*command[:3], "--workspace", "elsewhere", *where[2:], "--seeds-for", "2")
    assert (code, "--seeds-for needs results" in err, "two or three seeds first" in err) == (2, True, True)
