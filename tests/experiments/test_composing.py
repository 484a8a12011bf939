"""Comparisons of compositions on tiny tasks: resumable, honest about what wins, and the same in every view."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.gating.takeover import Takeover
from adapter_workbench.experiments.reporting.differences import Difference
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.studies.compositions import page
from adapter_workbench.experiments.studies.compositions.entry import Source, alternatives
from adapter_workbench.experiments.studies.compositions.figures import scores_by_shots
from adapter_workbench.experiments.studies.compositions.page import present, tracking
from adapter_workbench.experiments.studies.compositions.recipe import few_shot_budget
from adapter_workbench.experiments.studies.compositions.record import CONTROLS, PICKS, Result
from adapter_workbench.experiments.studies.compositions.record import results_in as results_of
from adapter_workbench.experiments.studies.compositions.report import FusionReport, FusionRow
from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
from adapter_workbench.experiments.studies.compositions.single import keepable
from adapter_workbench.experiments.studies.compositions.summary import summarise
from adapter_workbench.experiments.studies.compositions.trial import FewShotTrial
from adapter_workbench.experiments.studies.compositions.verdict import headline, of_each
from adapter_workbench.experiments.studies.compositions.work import trial_piece
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.workbench.adapters.name_resolution import readable_adapters
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.errors import InputError, SettingsError
from adapter_workbench.workbench.machine import package_versions
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.measures.paired_scores import drop
from adapter_workbench.workbench.measures.statistics import interval
from adapter_workbench.workbench.methods.methods.lora import Settings as Lora
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG
from bench.composing_cases import cases
from tests.conftest import Call
from tests.messages import naming
from tests.runs import ask_for_all, assert_as_declared, pieces

RECIPE = """name: tiny-fusion
description: made in tests
backbone: {backbone}
sources:
  tasks: [animals, halves]
  methods: {{lora: {{learning_rate: 0.02}}, pfeiffer: {{learning_rate: 0.02}}}}
  budget: {{epochs: 4, batch_size: 8, max_length: 16, precision: fp32}}
targets: [fruits]
shots: [8, 16]
seeds: [0]
budget: {{epochs: 2, batch_size: 8, max_length: 16, precision: fp32}}
compositions:
  sum: {{method: sum, weights: [0.5, 0.5]}}
  ties: {{method: ties, density: 0.5, against: best source}}
  mixed: {{method: adapterfusion}}
controls: {{random: [], shuffled: []}}
"""
FEW = ("budget.epochs=2", "budget.batch_size=8", "budget.max_length=16", "budget.precision=fp32", "density=0.5")


def test_every_contestant_has_a_result_on_every_problem(report) -> None:
    labels = {row.label for row in report.rows}
    assert {"fresh lora", "fresh pfeiffer", "full fine-tuning", "frozen features", "sum", "ties", "mixed"} <= labels
    assert {"animals alone, lora", "halves alone, pfeiffer", "average, lora", "average, pfeiffer"} <= labels
    assert report.complete
    assert all(0 <= row.score(shots) <= 1 for row in report.rows for shots in ("8", "16", "all"))


def test_gains_are_differences_from_the_reference(report, bench: Workbench) -> None:
    results = results_of(bench.workspace)
    scores = {(cell.label, cell.shots): results.get(cell.key).score for cell in report.record.cells}
    by_hand = np.mean([scores["sum", shots] - scores["fresh lora", shots] for shots in (8, 16)])
    assert report.row("sum").differences["all"].seeds.mean == pytest.approx(by_hand)
    assert report.row("sum").differences["all"].examples.mean == pytest.approx(by_hand)
    assert report.row("fresh lora").differences["all"].seeds.mean == 0


def test_what_is_made_of_other_adapters_is_compared_with_a_fresh_one_of_their_method(report) -> None:
    """The reference is a fresh adapter of the first fine-tuning method; those of the second have a control too."""
    against = {row.label: row.control for row in report.rows}
    assert {label: against[label] for label in ("fresh lora", "fresh pfeiffer", "sum", "full fine-tuning")} == {
        "fresh lora": "",
        "fresh pfeiffer": "fresh lora",
        "sum": "fresh lora",
        "full fine-tuning": "fresh lora",
    }
    of_others = ("mixed", "average, pfeiffer", "halves alone, pfeiffer")
    own = {label: against[label] for label in of_others if report.row(label).entry.family == "pfeiffer"}
    assert len(own) >= 2
    assert {*own.values()} == {"fresh pfeiffer"}
    assert "fresh pfeiffer" in report.verdict


def test_an_entry_may_be_compared_with_what_validation_picks(report) -> None:
    """Which source is best differs from problem to problem: no row of one source is what a composition has to beat."""
    ties, picked = report.row("ties"), report.row("best source")
    assert ties.control == "best source"
    for shots in ("8", "16", "all"):
        difference = ties.score(shots) - picked.score(shots)
        assert ties.differences[shots].seeds.mean == pytest.approx(difference)
        assert ties.differences[shots].examples.mean == pytest.approx(difference)
    assert report.record.controls["ties"] == "best source"


def test_held_against_each_other_contestants_differ_as_the_report_says(report, bench: Workbench) -> None:
    assert_as_declared(report, bench.workspace)


def test_the_equally_weighted_sum_is_the_average(report) -> None:
    ours, theirs = (report.row(label).score("all") for label in ("sum", "average, lora"))
    assert ours == pytest.approx(theirs, abs=1 / 24)  # rounding may turn one test example of 24


def test_in_full_each_row_has_the_scores_of_its_results(report) -> None:
    """That of each target, K and seed, by which validation picks; without them a row has the means alone."""
    full, brief = (report.as_json(full)["contestants"] for full in (True, False))
    for label, row in full.items():
        assert [trial["shots"] for trial in row["trials"]] == [8, 16], label
        for mean in ("score", "validation"):
            assert np.mean([trial[mean] for trial in row["trials"]]) == pytest.approx(row["standings"]["all"][mean])
    picked, (first, second) = full["best composition"]["trials"], (full[label]["trials"] for label in ("sum", "ties"))
    best = max((trial["validation"], trial["validation_log_likelihood"]) for trial in (first[0], second[0]))
    assert (picked[0]["validation"], picked[0]["validation_log_likelihood"]) >= best
    assert full["ties"]["settings"] == {**report.record.entries[-2].settings}
    assert not {"trials", "settings"} & brief["ties"].keys()


def test_cases_of_a_prediction_are_read_from_the_full_report(report) -> None:
    """What stands in them is what stands in the rows: the bench of predictions reads reports, and no workspace."""
    document = json.loads(json.dumps(report.as_json(full=True)))
    made = [*cases(document)]
    assert [case.shots for case in made] == [8, 16]
    for case in made:
        shots = str(case.shots)
        validation = {label: report.row(label).validation(shots) for label in ("fresh lora", "frozen features")}
        assert case.before.headroom == validation["fresh lora"] - validation["frozen features"]
        assert report.row(case.composing).entry.family == "lora"
        composing, plain = (report.row(label).score(shots) for label in (case.composing, case.alternative))
        assert case.gain == composing - plain


def test_what_validation_picks_is_the_best_on_validation(report) -> None:
    picked = report.row("best composition").validation("8")
    assert picked == max(row.validation("8") for row in report.rows if row.role in ("average", "composition"))


def test_between_equal_scores_the_likelihood_picks_also_of_a_model_as_it_began(report, bench: Workbench) -> None:
    stored = results_of(bench.workspace)
    mixed = {cell.key for cell in report.record.cells if cell.label == "mixed"}

    def chosen(fact: str) -> dict[str, int]:
        def tied(key: str) -> Result:
            result = stored.require(key)
            facts = {fact: -0.1 if key in mixed else -0.5}
            return replace(result, fit=replace(result.fit, validation=0.5, best_epoch=0), facts=facts)

        results: Any = SimpleNamespace(require=tied, outcomes=stored.outcomes)
        return summarise(report.record, results, brief=True).row("best composition").chosen

    assert chosen("validation_log_likelihood_before") == {"mixed": 2}
    assert chosen("no likelihood") == {"average, lora": 2}, "results of before have none: the first"


def test_the_verdict_is_about_the_best_that_lacks_the_sources(report) -> None:
    control, composed = (report.row(label).score("all") for label in ("best control", "best composition"))
    assert set(report.row("best control").chosen) <= {
        "fresh lora",
        "fresh pfeiffer",
        "full fine-tuning",
        "frozen features",
    }
    assert report.contest.seeds.mean == pytest.approx(composed - control)
    assert "omposition that validation picks" in report.verdict.partition(".")[0]
    assert "the model without sources that it picks (" in report.verdict
    assert report.as_json()["best_composition_minus_best_control"]["mean"] == report.contest.seeds.mean


def test_a_start_without_sources_is_a_control_and_no_composition(bench: Workbench, study_folder: Path) -> None:
    started = "compositions={none: {method: warm-start, start: fresh}, one: {method: warm-start, start: [fresh, sum]}}"
    plan = bench.plan(str(study_folder / "tiny.yaml"), [started])
    none, with_source = (
        next(entry for entry in plan.all_entries(0) if entry.label == label) for label in ("none", "one")
    )
    assert (none.role, with_source.role) == ("control", "composition")
    assert (none.role in PICKS["best control"], none.role in PICKS["best composition"]) == (True, False)
    problem = next(plan.problems(0))
    as_before = replace(none, role="composition")
    assert trial_piece(plan, none, problem, ()).key == trial_piece(plan, as_before, problem, ()).key, (
        "nothing is redone"
    )


def test_what_was_not_equal_is_found(report, bench: Workbench, study_folder: Path) -> None:
    (picked,) = report.unequal
    assert picked.what == "models tried in each place"
    assert {label for _, who in picked.others for label in who} <= {"best composition", "best control", "best source"}
    cell = {"head": "random", "label": "fresh lora"}
    entries = [
        replace(entry, head=cell["head"]) if entry.label == cell["label"] else entry for entry in report.record.entries
    ]
    changed = summarise(replace(report.record, entries=tuple(entries)), results_of(bench.workspace))
    assert {inequality.what for inequality in changed.unequal} == {"head at first", "models tried in each place"}
    assert "What was not equal" in drawn_page(present(changed), {})
    (head,) = (inequality for inequality in changed.unequal if inequality.what == "head at first")
    assert (head.control, head.expected) == ("fresh lora", "random")
    assert head.others == (("fitted", ("full fine-tuning", "fresh pfeiffer")),), "mixed is like fresh pfeiffer"


def test_in_brief_nothing_is_compared(report, bench: Workbench) -> None:
    brief = summarise(report.record, results_of(bench.workspace), brief=True)
    assert report.contest
    assert report.declared
    assert (brief.contest, brief.declared, brief.progress) == (None, {}, report.progress)
    assert brief.row("sum").score("all") == report.row("sum").score("all")


def test_retention_is_measured_with_the_sources_own_heads(report) -> None:
    kept = {(retained.label, retained.task): retained for retained in report.retained}
    assert {task for _, task in kept} == {"animals", "halves"}
    assert kept["sum", "animals"].alone > 0.6, "the source knows its own task"
    assert kept["mixed", "halves"].measurements == 1


def test_compositions_stand_below_the_sources_of_their_own_family(report) -> None:
    families = {row.label: row.entry.family for row in report.rows}
    known = {"lora": 0.9, "pfeiffer": 0.6}
    retained = tuple(replace(kept, alone=known[families[kept.label]]) for kept in report.retained)
    rows = {row[0].text: row[1:] for row in page.retention_table(replace(report, retained=retained)).rows}
    for family, score in known.items():
        assert [cell.value for cell in rows[f"the source alone, {family}"]] == [score, score]
    order = ["the source alone, lora", "ties", "the source alone, pfeiffer", "mixed"]
    assert [label for label in rows if label in order] == order
    alone = replace(report, retained=tuple(kept for kept in retained if families[kept.label] == "lora"))
    assert page.retention_table(alone).rows[0][0].text == "the source alone"


def test_a_recipe_retrieves_loras_by_the_tasks_of_its_sources(report, bench: Workbench, study_folder: Path) -> None:
    changes = ["name=retrieved", "shots=[8]", "compositions={nearest: {method: task-retrieval, top_k: 1}}"]
    retrieved = bench.run(bench.plan(str(study_folder / "tiny.yaml"), changes), "test")
    assert retrieved.complete
    assert {score.task for score in retrieved.retained if score.label == "nearest"} == {"animals", "halves"}


def test_a_second_run_does_nothing_again(report, bench: Workbench, study_folder: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a trial was run again")

    monkeypatch.setattr("adapter_workbench.experiments.studies.compositions.trial.FewShotTrial.fused", refuse)
    again = bench.run(bench.plan(str(study_folder / "tiny.yaml")), "test")
    assert again.as_json()["contestants"] == report.as_json()["contestants"]


@pytest.mark.parametrize(("revision", "changed", "again"), [(2, False, []), (3, True, ["ties"] * 2)])
def test_a_raised_revision_runs_anew_what_it_changed_and_nothing_else(
    revision: int,
    changed: bool,
    again: list[str],
    report,
    bench: Workbench,
    study_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The piece is another in any case: only with the sources at hand does a card know what its revision changed."""
    plan, get = bench.plan(str(study_folder / "tiny.yaml"), ["name=raised"]), COMPOSITIONS.get
    before = {piece.key: piece.coordinates.get("label") for piece in pieces(plan)}
    affects = {2: lambda request, settings: False, revision: lambda request, settings: changed}
    raised = replace(get("ties"), revision=revision, affects=affects)
    monkeypatch.setattr(COMPOSITIONS, "get", lambda name, *rest: raised if name == "ties" else get(name, *rest))
    others = {piece.coordinates.get("label") for piece in pieces(plan) if piece.key not in before}
    assert others == {"ties"}
    made, fused = [], FewShotTrial.fused

    def noted(trial: FewShotTrial, *rest: Any) -> Any:
        made.append(trial.entry.label)
        return fused(trial, *rest)

    monkeypatch.setattr(FewShotTrial, "fused", noted)
    told = bench.run(plan, "test")
    assert made == again
    of_ties = {cell.key for cell in told.record.cells if cell.label == "ties"}
    assert of_ties.isdisjoint(cell.key for cell in report.record.cells) == changed


def test_the_revision_of_a_part_is_in_the_key_and_a_first_revision_is_in_none(
    bench: Workbench, study_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = "compositions={begun: {method: warm-start, start: sum}, one: {method: sum}}"
    get, digested = COMPOSITIONS.get, list[dict[str, Any]]()
    monkeypatch.setattr(
        "adapter_workbench.experiments.studies.compositions.work.key", lambda of: str(digested.append(of))
    )

    def revisions(of_sum: int) -> dict[str, Any]:
        sum_, begun = replace(get("sum"), revision=of_sum), replace(get("warm-start"), revision=1)
        cards = {"sum": sum_, "warm-start": begun}
        with monkeypatch.context() as patch:
            patch.setattr(COMPOSITIONS, "get", lambda name, *rest: cards.get(name) or get(name, *rest))
            plan = bench.plan(str(study_folder / "tiny.yaml"), [started])
            problem, found = next(plan.problems(0)), {}
            for entry in plan.all_entries(0):
                trial_piece(plan, entry, problem, ())
                found[entry.label] = digested[-1].get("revisions")
        return found

    assert not any(revisions(1).values())
    raised = {label: own for label, own in revisions(4).items() if own}
    assert raised == {"begun": {"sum": 4}, "one": {"sum": 4}}


def test_a_run_that_was_stopped_goes_on(report, bench: Workbench, study_folder: Path) -> None:
    lost = report.record.cells[-1].key
    shutil.rmtree(results_of(bench.workspace).root / lost)
    again = bench.run(bench.plan(str(study_folder / "tiny.yaml")), "test")
    for label, entry in report.as_json()["contestants"].items():
        for shots, scores in entry["standings"].items():
            assert again.as_json()["contestants"][label]["standings"][shots]["score"] == scores["score"], label


def test_other_versions_are_another_trial_of_every_contestant(
    report, bench: Workbench, study_folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    plan = bench.plan(str(study_folder / "tiny.yaml"))

    trials = [(entry, problem) for entry in plan.all_entries(0) for problem in plan.problems(0)]
    opened = ExitStack()
    request.addfinalizer(opened.close)
    adapters = {entry.label: opened.enter_context(entry.sources_in(bench.workspace)) for entry in plan.all_entries(0)}

    def keys() -> dict[str, set[str]]:
        return {
            f"{entry.label} {problem.shots}": {
                trial_piece(plan, entry, problem, ()).key,
                FewShotTrial(entry, problem, adapters[entry.label]).key,
            }
            for entry, problem in trials
        }

    before = keys()
    assert {cell.key for cell in report.record.cells} <= set().union(*before.values())
    monkeypatch.setattr(package_versions, "PACKAGES", ("torch",))
    other = keys()
    assert not [label for label in other if other[label] & before[label]]


def test_all_views_tell_the_same(report, bench: Workbench) -> None:
    folder = bench.workspace.experiment("tiny-fusion")
    document = json.loads((folder / "report.json").read_text())
    expected = json.loads(json.dumps(bench.report("tiny-fusion").as_json(full=True)))
    assert document["contestants"].keys() == expected["contestants"].keys()
    assert document == expected
    assert document["verdict"] == report.verdict
    html = drawn_page(present(report), {})
    assert "fusion report" in html
    assert report.of_each, "each composition has a sentence of its own"
    items = unescape(html).replace("\u00a0%", " %")
    assert all(f"<li>{sentence}</li>" in items for sentence in report.of_each)
    assert unescape(report._repr_html_()).count(html) == 1, "a notebook shows the same page"
    assert html.count("<script") == 1, "its own: a table is long"
    assert all(row.label in html for row in report.rows)
    assert (folder / "gains.png").read_bytes().startswith(b"\x89PNG")
    record = run_record(present(report))
    assert all(f"- {escape(sentence)}" in record.tags[NOTE_TAG] for sentence in report.of_each)
    assert record.finished
    assert len(record.children) == len(report.rows)
    assert ("score/ties", report.row("ties").score("8"), 8) in record.metrics


def test_a_description_says_over_what_its_intervals_are(report) -> None:
    assert "the paired 95 % interval over test examples." in tracking(report).below[0]
    gain = Difference(interval([0.1, 0.2]), None, 0.2)
    rows = [replace(row, differences=dict.fromkeys(row.differences, gain)) for row in report.rows]
    assert "the paired 95 % interval over seeds." in tracking(replace(report, rows=tuple(rows))).below[0]


def changed(row: FusionRow, **changes: Any) -> FusionRow:
    """Return a row with other results."""
    results = {at: replace(of, result=replace(of.result, **changes)) for at, of in row.results.items()}
    return replace(row, results=results)


def test_a_score_of_zero_is_drawn(report) -> None:
    rows = [changed(row, score=0.0) for row in report.rows]
    (axes,) = scores_by_shots(replace(report, rows=tuple(rows))).axes
    assert all([*line.get_ydata()] == [0.0, 0.0] for line in axes.get_lines())


def test_an_unfinished_comparison_is_called_that(report) -> None:
    part = replace(report, record=replace(report.record, cells=report.record.cells[:3]))
    assert headline(part)[0].startswith("Not finished: 3 of ")
    assert not of_each(part)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("compositions.sum.method=summ", "Did you mean sum"),
        ("compositions.ties.densty=1", "unknown key 'compositions.ties.densty'"),
        ("targets=[animals]", "is a source too"),
        ("budget.train_examples=5", "given by 'shots'"),
        ("sources.methods.lora.rnk=4", "unknown key 'sources.methods.lora.rnk'"),
        ("sources.tasks=[animals, halfs]", "no task called 'halfs'"),
        ("sources.tasks=[animals]", "'sources.tasks'"),
        ("sources.methods={lora: {}}", "composes adapters of adapters"),
        ("shots=[8, 65]", "K = 65, but 'fruits' has 64 training rows"),
        ("shots=[1]", "K = 1, but the training rows of 'fruits' have 2 labels"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_before_anything_is_trained(
    bench: Workbench, study_folder: Path, change: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        bench.plan(str(study_folder / "tiny.yaml"), [change])
    assert message in str(caught.value)


def test_a_pick_without_a_choice_is_refused(bench: Workbench, study_folder: Path) -> None:
    """Of one fine-tuning method alone there is one adapter on mixed data, and nothing begins at it here."""
    against = "compositions.ties.against=best mixed-data adapter"
    bench.plan(str(study_folder / "tiny.yaml"), [against])
    message = "never picks here: 'best mixed-data adapter', since there is only 'mixed data alone, lora'"
    with pytest.raises(SettingsError, match=naming(message)):
        bench.plan(str(study_folder / "tiny.yaml"), [against, "controls.mixed=[lora]"])


def test_all_problems_of_a_recipe_come_at_once(bench: Workbench, study_folder: Path) -> None:
    changes = ["compositions.sum.method=summ", "targets=[nothing]", "sources.methods.lora.rnk=4"]
    with pytest.raises(SettingsError) as caught:
        bench.plan(str(study_folder / "tiny.yaml"), changes)
    assert len(caught.value.problems) == 3


def test_texts_longer_than_the_backbone_reads_are_refused_with_their_lines(
    bench: Workbench, study_folder: Path
) -> None:
    recipe = study_folder / "long.yaml"
    recipe.write_text((study_folder / "tiny.yaml").read_text().replace("max_length: 16", "max_length: 65"))
    with pytest.raises(SettingsError) as caught:
        bench.plan(str(recipe))
    assert [problem.where for problem in caught.value.problems] == [f"{recipe}, line 7", f"{recipe}, line 11"]
    assert all("max_length 65 is more than" in problem.what for problem in caught.value.problems)
    with pytest.raises(SettingsError) as caught:
        bench.plan(str(study_folder / "tiny.yaml"), ["budget.max_length=65"])
    assert [problem.where for problem in caught.value.problems] == ["--set budget.max_length=65"]


def test_bits_that_are_set_are_named_where_the_backbone_says_others(
    bench: Workbench, study_folder: Path, bert: Path
) -> None:
    changes = [f"backbone={bert}:int8", "sources.budget.quantization=nf4"]
    with pytest.raises(InputError, match=r"^--set sources\.budget\.quantization=nf4: .* is not nf4"):
        bench.plan(str(study_folder / "tiny.yaml"), changes)


def test_who_is_trained_takes_part_once_with_each_head(bench: Workbench, study_folder: Path) -> None:
    path = str(study_folder / "tiny.yaml")
    plain, both_heads = bench.plan(path), bench.plan(path, ["heads=[fitted, random]"])
    trained = {"fresh lora", "fresh pfeiffer", "full fine-tuning", "mixed"}
    labels = {entry.label for entry in plain.all_entries(0)}
    assert {entry.label for entry in both_heads.all_entries(0)} == labels | {
        f"{label}, random head" for label in trained
    }
    assert {entry.label for entry in both_heads.all_entries(0) if entry.head == "random"} == {
        f"{label}, random head" for label in trained
    }
    assert {piece.key for piece in pieces(plain)} < {piece.key for piece in pieces(both_heads)}
    random = bench.plan(path, ["heads=[random]"])
    assert {entry.label for entry in random.all_entries(0)} == labels
    with pytest.raises(SettingsError, match="mixed, random head"):
        clash = "compositions={mixed: {method: adapterfusion}, 'mixed, random head': {method: sum}}"
        bench.plan(path, ["heads=[fitted, random]", clash])


def test_full_fine_tuning_does_not_take_part_where_the_backbone_is_packed(bench: Workbench, study_folder: Path) -> None:
    plan = bench.plan(str(study_folder / "tiny.yaml"), ["sources.budget.quantization=int8"])
    labels = {entry.label for entry in replace(plan, entries=()).all_entries({})}
    assert labels == {"frozen features"}, "its own weights are what it would train"
    with pytest.raises(InputError, match=naming("full fine-tuning", "int8")):
        changes = ["sources.budget.quantization=int8", "fresh={full: {learning_rate: 0.001}}"]
        bench.plan(str(study_folder / "tiny.yaml"), changes)


def test_sources_of_one_task_are_told_apart_by_their_ids() -> None:
    made = [
        Source(name.split("-")[0], "lora", Lora(), f"identity of {name}", name) for name in ("a-1", "a-2", "halves-1")
    ]
    labels = [entry.label for entry in alternatives(made, {}) if entry.role == "source"]
    assert labels == ["a-1 alone, lora", "a-2 alone, lora", "halves alone, lora"]


@pytest.fixture(scope="module")
def sources(report, bench: Workbench) -> str:
    return ",".join(source["adapter"] for source in report.record.sources if source["method"] == "lora")


@pytest.fixture(scope="module")
def taken_over(report, bench: Workbench) -> None:
    """A person asks for the sources that the study left: only such adapters are composed under their tasks' names."""
    for source in report.record.sources:
        bench.workspace.origins.ask(source["adapter"], "train")


@pytest.fixture(scope="module")
def of_two(bench: Workbench, sources: str) -> FusionPlan:
    return bench.fusion_plan("fruits", sources, "ties", 8, assignments=FEW)


@pytest.fixture(scope="module")
def fused(bench: Workbench, of_two: FusionPlan):
    return bench.fuse(of_two, keep="fusion")


def _verdict_where_all_tie_but(report: FusionReport, likeliest: str) -> str:
    """Return the verdict on a fusion whose rows all validate alike, one of them with the highest likelihood."""
    rows = []
    for row in report.rows:
        likelihood = -0.1 if row.label == likeliest else -0.2
        fit = replace(row.cells[0].fit, validation=0.5, best_epoch=0)
        rows.append(changed(row, fit=fit, facts={"validation_log_likelihood": likelihood}))
    return " ".join(of_each(replace(report, rows=tuple(rows))))


class TestOneFuse:
    @pytest.fixture(autouse=True)
    def _all_are_asked_for(self, bench: Workbench, report) -> None:
        ask_for_all(bench.workspace)

    def test_the_result_is_an_ordinary_lora_that_says_what_it_is_made_of(self, fused, sources: str) -> None:
        manifest = fused.adapter.manifest
        assert manifest.composition.method == "ties"
        assert list(manifest.parents) == list(manifest.composition.sources) == sources.split(",")
        assert manifest.composition.settings["density"] == 0.5
        assert {"rank", "energy_kept", "truncation_error"} <= set(manifest.composition.facts)
        config = json.loads((fused.adapter.folder / "adapter_config.json").read_text())
        assert config["peft_type"] == "LORA"

    def test_it_answers_as_it_was_measured(self, fused, bench: Workbench) -> None:
        report = fused.report
        own = report.row("ties").score("8")
        task = report.record.targets[0]
        from adapter_workbench.experiments.workspace.evaluating import evaluate_model
        from adapter_workbench.tasks.loading import registry
        from adapter_workbench.workbench.backbone.names import open_backbone
        from adapter_workbench.workbench.methods.stored_model import open_adapter

        backbone = open_backbone(report.record.backbone)
        whole = registry.load(registry.find(task, bench.task_folders))
        model = open_adapter(fused.adapter, backbone)
        again = evaluate_model(model, whole, backbone, fused.adapter.manifest.budget)
        assert again.scores["accuracy"] == pytest.approx(own)

    def test_the_verdict_names_the_alternatives(self, fused) -> None:
        sentences = fused.report.verdict.lower()  # some begin a sentence
        assert "a fresh adapter" in sentences
        assert "the source that validation picks" in sentences
        assert "the uniform average" in sentences

    def test_the_verdict_says_whom_the_fusion_does_not_beat(self, fused) -> None:
        """Those of the fresh adapter, the best control and the best source that are not lower in a test."""
        report = fused.report

        def best(*roles: str) -> FusionRow:
            rows = [row for role in roles for row in report.rows if row.role == role]
            return max(rows, key=lambda row: (row.validation("8"), row.cells[0].log_likelihood))

        rivals = {row.label: row for row in (report.row("fresh lora"), best(*CONTROLS), best("source"))}
        lost = [label for label, row in rivals.items() if row.differences["8"].reading != "lower"]
        _, said, named = report.verdict.partition("So this fusion does not beat the plain alternatives: ")
        assert bool(said) == bool(lost)
        assert named.partition(". ")[0] == " and ".join(lost)

    def test_between_equal_validation_scores_the_likelihood_picks(self, fused) -> None:
        """Where that is equal too, the first: of what lacks the sources a fresh adapter, which is named in any case."""
        own = [row.label for row in fused.report.rows if row.role == "source"]
        controls = [row.label for row in fused.report.rows if row.role in CONTROLS and row.role != "fresh"]
        for label in own:
            assert f"− {label} (the source that validation picks)" in _verdict_where_all_tie_but(fused.report, label)
        for label in controls:
            picked = f"− {label} (the model without sources that validation picks)"
            assert picked in _verdict_where_all_tie_but(fused.report, label)
        equal = _verdict_where_all_tie_but(fused.report, "")
        assert f"− {own[0]} (the source that validation picks)" in equal
        assert "the model without sources" not in equal

    def test_it_is_of_as_many_examples_as_it_says(self, bench: Workbench, sources: str) -> None:
        with pytest.raises(SettingsError, match=r"--shots: K = 65, but 'fruits' has 64 training rows"):
            bench.fusion_plan("fruits", sources, "ties", 65)
        given = ["budget.train_examples=1000", "budget.max_length=16"]
        assert [*bench.fusion_plan("fruits", sources, "ties", assignments=given).budgets] == [64], "all that there are"

    def test_a_start_is_trained_at_the_rate_of_its_first_source(self, bench: Workbench, sources: str) -> None:
        """The sources' rate is 0.02, which a fresh LoRA has too; it is in the name of the adapter."""
        plans = [
            bench.fusion_plan("fruits", sources, "warm-start", 8, assignments=["budget.max_length=16", *rate])
            for rate in ([], ["learning_rate=0.02"], ["learning_rate=0.005"])
        ]
        rates = [
            {e.label: e.settings.learning_rate for e in plan.all_entries(0) if e.family and e.trains} for plan in plans
        ]
        assert rates[0] == rates[1] == dict.fromkeys(("fresh lora", "warm-start", "warm-start, random sources"), 0.02)
        assert (rates[2]["warm-start"], rates[2]["fresh lora"]) == (0.005, 0.02)
        assert plans[0].name == plans[1].name != plans[2].name

    def test_sources_can_be_chosen_by_themselves(
        self, bench: Workbench, report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked: list[Any] = []

        def look(store: AdapterStore) -> list[StoredAdapter]:
            looked.append(store)
            return readable_adapters(store)

        monkeypatch.setattr("adapter_workbench.experiments.studies.compositions.sources.readable_adapters", look)
        few = ["budget.max_length=16", "budget.precision=fp32"]
        backbone = report.record.backbone
        plan = bench.fusion_plan("fruits", "auto:1", "single", 16, backbone=backbone, assignments=few)
        assert plan.stored[0].manifest.task.name in ("animals", "halves")
        assert [task.name for task in plan.source_tasks.values()] == [plan.stored[0].manifest.task.name]
        assert len(looked) == 1, "the candidates are looked for once"

    @pytest.mark.parametrize(("lacking", "expected"), [("lora", "pfeiffer"), ("pfeiffer", "lora")])
    def test_sources_chosen_by_themselves_go_together(
        self, bench: Workbench, report, lacking: str, expected: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of `halves` there are adapters of one method alone, and of `animals` of both: the average is of two alike."""

        def some(store: AdapterStore) -> list[StoredAdapter]:
            known = ((adapter, adapter.manifest) for adapter in readable_adapters(store))
            return [adapter for adapter, own in known if (own.task.name, own.method) != ("halves", lacking)]

        monkeypatch.setattr("adapter_workbench.experiments.studies.compositions.sources.readable_adapters", some)
        given = {"backbone": report.record.backbone, "assignments": ["budget.max_length=16", "budget.precision=fp32"]}
        plan = bench.fusion_plan("fruits", "auto:2", "average", 8, **given)
        assert {(own.manifest.task.name, own.manifest.method) for own in plan.stored} == {
            ("animals", expected),
            ("halves", expected),
        }

    def test_an_adapter_without_a_score_is_not_chosen(self, bench: Workbench, report, study_folder: Path) -> None:
        """TextEmb compares training texts: here those of one of two adapters are at hand."""
        (study_folder / "one").mkdir()
        for file in (study_folder / "tasks").glob("[fa]*"):  # all but halves
            shutil.copy(file, study_folder / "one")
        few = Workbench(bench.workspace.root, [study_folder / "one"])
        given = {"backbone": report.record.backbone, "assignments": ["budget.max_length=16", "budget.precision=fp32"]}
        one = few.fusion_plan("fruits", "auto:1", "sum", 8, ranking="similarity", **given)
        assert [source.manifest.task.name for source in one.stored] == ["animals"]
        with pytest.raises(InputError, match=naming("similarity has a score for 1 of 2", "halves", "not available")):
            few.fusion_plan("fruits", "auto:2", "sum", 8, ranking="similarity", **given)

    def test_what_is_kept_is_measured_anew_when_more_tasks_are_at_hand(
        self, bench: Workbench, report, sources: str, study_folder: Path, tmp_path: Path
    ) -> None:
        for file in (study_folder / "tasks").glob("[fa]*"):  # all but halves
            shutil.copy(file, tmp_path)
        few = ["budget.epochs=2", "budget.max_length=16", "budget.precision=fp32"]
        kept = []
        for folder in (tmp_path, study_folder / "tasks"):
            own = Workbench(bench.workspace.root, [folder])
            told = own.fuse(own.fusion_plan("fruits", sources, "sum", 8, full=False, assignments=few)).report
            kept.append({entry.task for entry in told.retained if entry.label == "sum"})
        assert kept == [{"animals"}, {"animals", "halves"}]

    @pytest.mark.parametrize("name", ["train_examples", "validation_examples"])
    def test_how_many_examples_there_are_is_said_once(self, bench: Workbench, sources: str, name: str) -> None:
        with pytest.raises(InputError, match=naming(f"--set budget.{name}=9", f"{name} are given by --shots")):
            bench.fusion_plan("fruits", sources, "sum", 8, assignments=[f"budget.{name}=9"])

    def test_sources_chosen_by_themselves_are_on_the_backbone_that_adapters_are_on(
        self, bench: Workbench, report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        few = ["budget.max_length=16", "budget.precision=fp32"]
        plan = bench.fusion_plan("fruits", "auto:1", "single", 16, assignments=few)
        assert plan.backbone.name == report.record.backbone

        def with_another(store: AdapterStore) -> list[StoredAdapter]:
            first, *others = readable_adapters(store)
            moved = first.manifest.backbone.model_copy(update={"name": "elsewhere", "fingerprint": "0" * 64})
            return [first, replace(first, manifest=first.manifest.model_copy(update={"backbone": moved})), *others]

        monkeypatch.setattr(
            "adapter_workbench.experiments.studies.compositions.sources.readable_adapters", with_another
        )
        with pytest.raises(InputError, match=r"several backbones: .*elsewhere"):
            bench.fusion_plan("fruits", "auto:1", "single", 16, assignments=few)

    def test_no_two_contestants_are_the_same_row(self, bench: Workbench, sources: str, monkeypatch) -> None:
        monkeypatch.setattr("adapter_workbench.experiments.studies.compositions.entry.alone_label", lambda *_: "alone")
        with pytest.raises(SettingsError, match=naming("--from: 'alone' and 'alone' ", "look the same")):
            bench.fusion_plan("fruits", sources, "ties", 8, assignments=["budget.max_length=16"])

    def test_loras_are_retrieved_by_tasks_that_are_at_hand(
        self, bench: Workbench, report, sources: str, study_folder: Path, tmp_path: Path
    ) -> None:
        few = ["budget.epochs=1", "budget.max_length=16", "budget.precision=fp32"]
        given: dict[str, Any] = {"full": False, "assignments": few}
        plan = bench.fusion_plan("fruits", sources, "task-retrieval", 8, **given)
        manifest = bench.fuse(plan, keep="fusion").adapter.manifest
        assert manifest.method == manifest.composition.method == "task-retrieval"
        for file in (study_folder / "tasks").glob("[fh]*"):  # all but animals
            shutil.copy(file, tmp_path)
        with pytest.raises(InputError, match=naming("'animals' with the data", "animals-lora")):
            Workbench(bench.workspace.root, [tmp_path]).fusion_plan("fruits", sources, "task-retrieval", 8, **given)

    @pytest.mark.parametrize(
        ("given", "method", "message"),
        [
            ("nothing", "ties", "no adapter called 'nothing'"),
            ("auto:9", "ties", "2 adapters that ties"),
            ("auto:x", "ties", "names no sources"),
            ("{sources}", "adapterfusion", "adapters, not of peft"),
            ("{sources}", "tie", "Did you mean ties"),
            ("{sources}", "single", "single takes one source"),
            ("", "ties", "names no sources"),
        ],
    )
    def test_mistakes_are_named(
        self, bench: Workbench, report, sources: str, given: str, method: str, message: str
    ) -> None:
        few = ["budget.max_length=16", "budget.precision=fp32"]
        with pytest.raises(InputError) as caught:
            plan = bench.fusion_plan(
                "fruits", given.format(sources=sources), method, 8, backbone=report.record.backbone, assignments=few
            )
            bench.fuse(plan)
        assert message in str(caught.value)

    def test_from_the_command_line(self, sources: str, bench: Workbench, study_folder: Path, call: Call) -> None:
        arguments = ["fuse", "fruits", "--from", sources, "--method", "average", "--shots", "8", "--no-full", "--json"]
        settings = ["budget.epochs=1", "budget.max_length=16", "budget.precision=fp32"]
        flags = [part for setting in settings for part in ("--set", setting)]
        where = ["--workspace", str(bench.workspace.root), "--tasks", str(study_folder / "tasks")]
        code, out, err = call(*arguments, *flags, *where)
        assert code == 0, err
        document = json.loads(out)
        kept, contestants = document["kept"], document["evidence"]["contestants"]
        standing = contestants[kept["label"]]["standings"]["8"]
        assert kept["by"] == "validation"
        assert next(iter(kept["validation"])) == kept["label"] == kept["favoured"]
        assert document["metrics"] == {"test_score": standing["score"], "validation": standing["validation"]}
        assert Path(document["path"]).name == document["adapter"]
        code, out, err = call(*arguments, *flags, *where, "--keep", "fusion")
        assert code == 0, err
        document = json.loads(out)
        assert document["adapter"].startswith("fruits-average-")
        assert (document["kept"]["label"], document["kept"]["by"]) == ("average", "a person")
        assert "full fine-tuning" not in document["evidence"]["contestants"]
        assert document["registered"] is None
        assert call(*arguments, *flags, *where, "--accept-loss")[0] == 2
        fused = [*arguments, *flags, *where, "--keep", "fusion", "--register"]
        registered = json.loads(call(*fused)[1])["registered"]
        assert (registered["name"], registered["now"]["adapter"]) == ("fruits.average", document["adapter"])
        again = json.loads(call(*fused)[1])["registered"]
        assert (again["was"], again["now"]) == (registered["now"], registered["now"]), "it is the champion already"

    def test_a_fusion_that_loses_does_not_take_over(
        self, sources: str, bench: Workbench, study_folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The task's champion is of another method, and the name of the task could mean the fusion from then on."""
        where = ["--workspace", str(bench.workspace.root), "--tasks", str(study_folder / "tasks")]
        few = ["--shots", "8", "--no-full", "--set", "budget.max_length=16", "--set", "budget.precision=fp32"]
        fuse = ["fuse", "fruits", "--from", sources, *few, *where, "--keep", "fusion", "--register", "--method"]
        code, _, err = call(*fuse, "average")
        assert code == 0, err
        champion, worse = bench.chosen("fruits"), np.zeros(16)
        loses = Takeover(16, (1.0, 0.0), drop(worse, worse + 1), 0.02, 1.0, 0.03)
        monkeypatch.setattr("adapter_workbench.experiments.gating.contest.compared_with", lambda *_: loses)
        code, _, err = call(*fuse, "sum")
        assert (code, bench.chosen("fruits")) == (3, champion), err
        assert f"{champion} stays champion: on 16 validation rows" in " ".join(err.split())
        assert "fruits.sum" not in bench.workspace.champions.names(), "it is not even registered"


class TestWhatAFuseKeeps:
    """Of the fusion and its alternatives, what validation puts first, or what a person names."""

    LABELS = (
        "frozen features",
        "full fine-tuning",
        "fresh lora",
        "animals alone, lora",
        "halves alone, lora",
        "average, lora",
        "ties",
    )

    @pytest.mark.parametrize("label", LABELS)
    def test_each_alternative_is_an_adapter_that_answers_as_it_was_measured(
        self, bench: Workbench, of_two: FusionPlan, label: str
    ) -> None:
        assert keepable(of_two) == [*self.LABELS]
        fused = bench.fuse(of_two, keep=label)
        assert fused.kept.label == label
        row, manifest = fused.report.row(label), fused.adapter.manifest
        assert fused.score == row.score("8")
        assert manifest.own_fit.validation == row.validation("8")
        assert (manifest.choice.label, manifest.choice.by) == (label, "a person")
        assert (manifest.composition is None) == (row.role in ("frozen", "full", "fresh"))
        assert manifest.task.name == "fruits"
        again = bench.fuse(of_two, keep=label).adapter
        assert again.identity == fused.adapter.identity
        assert bench.predict(again.id, ["the apple"])

    def test_validation_chooses_and_says_so(self, bench: Workbench, of_two: FusionPlan, call: Call) -> None:
        fused = bench.fuse(of_two)
        scores = {label: fused.report.row(label).validation("8") for label in self.LABELS}
        assert dict(fused.kept.validation) == scores
        assert fused.kept.favoured == fused.kept.label
        assert scores[fused.kept.label] == max(scores.values())
        assert f"Validation puts {fused.kept.label} first" in fused.report.verdict
        code, out, _ = call("adapters", "show", fused.adapter.id, "--workspace", str(bench.workspace.root))
        assert code == 0
        assert fused.kept.label in " ".join(out[out.index("kept of a fuse") :].split())

    def test_what_it_cannot_keep_is_refused_before_anything_is_trained(
        self, bench: Workbench, of_two: FusionPlan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Workbench, "run", None)
        with pytest.raises(InputError, match=naming("--keep: 'fresh' is not among", "'fresh lora'", "validation")):
            bench.fuse(of_two, keep="fresh")

    @pytest.mark.usefixtures("taken_over")
    def test_why_sources_were_chosen_is_said_and_stored(
        self, bench: Workbench, report, study_folder: Path, call: Call
    ) -> None:
        where = ["--workspace", str(bench.workspace.root), "--tasks", str(study_folder / "tasks")]
        settings = [part for setting in FEW[:4] for part in ("--set", setting)]
        asked = ["fuse", "fruits", "--from", "auto:1", "--method", "single", "--shots", "16", "--no-full"]
        asked += [*settings, *where, "--keep", "fusion"]
        code, out, err = call(*asked, "--json")
        assert code == 0, err
        document = json.loads(out)
        ranking = document["ranking"]
        scores = {name: candidate["score"] for name, candidate in ranking["candidates"].items()}
        assert (ranking["asked"], ranking["ranking"]) == ("auto:1", "logme")
        assert len(scores) >= 2, "each candidate, not only what was taken"
        assert ranking["chosen"] == [max(scores, key=lambda name: scores[name])]
        shown = json.loads(call("adapters", "show", document["adapter"], *where[:2], "--json")[1])
        assert shown["choice"]["ranking"] == "logme"
        assert shown["choice"]["ranked"] == pytest.approx(scores)
        code, out, err = call(*asked)
        assert code == 0, err
        assert "auto:1: " in out
        assert all(name in out for name in scores)
        assert "Kept:    single" in out

    def test_next_says_that_the_task_has_more_rows(
        self, bench: Workbench, sources: str, study_folder: Path, call: Call
    ) -> None:
        where = ["--workspace", str(bench.workspace.root), "--tasks", str(study_folder / "tasks")]
        settings = [part for setting in FEW for part in ("--set", setting)]
        code, out, err = call(
            "fuse", "fruits", "--from", sources, "--method", "ties", "--shots", "8", *settings, *where
        )
        assert code == 0, err
        following = out.rpartition("Next:")[2]
        assert "workbench train fruits --method lora" in following
        assert "(fruits has 64 training rows, and 8 were used)" in following


def test_few_examples_are_seen_more_often() -> None:
    epochs = {shots: few_shot_budget({}, shots)["epochs"] for shots in (1, 16, 64, 256, 4000)}
    assert epochs == {1: 20, 16: 20, 64: 10, 256: 3, 4000: 3}
    assert few_shot_budget({"epochs": 3}, 16)["epochs"] == 3


@pytest.mark.parametrize("name", COMPOSITIONS.names())
def test_every_composition_has_a_card(name: str) -> None:
    card = COMPOSITIONS.get(name)
    assert COMPOSITIONS.describe(name)
    assert card.title
    assert card.paper
    assert card.libraries


def test_sources_that_cannot_be_composed_are_refused_before_they_are_trained(
    bench: Workbench, study_folder: Path
) -> None:
    recipe = str(study_folder / "tiny.yaml")
    with pytest.raises(SettingsError, match=naming("prefix", "bottleneck adapter")):
        bench.plan(recipe, ["sources.methods.prefix={}"])
    with pytest.raises(SettingsError, match=naming("oft", "not a LoRA but 'OFT'")):
        bench.plan(recipe, ["sources.methods.oft={block_size: 8}"])
