"""The test and the margin that a recipe declares: in families, in the record, in the report's words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from scipy import stats

from adapter_workbench.experiments.engine.recipes import NamedRecipe
from adapter_workbench.experiments.reporting.declared_test import DeclaredTest
from adapter_workbench.experiments.reporting.differences import (
    Difference,
    basis,
    by_which_test,
    gap_in_words,
    legend,
    otherwise,
)
from adapter_workbench.experiments.reporting.examples import OverExamples
from adapter_workbench.experiments.reporting.families import alone, in_family
from adapter_workbench.experiments.reporting.power import seeds_needed
from adapter_workbench.experiments.reporting.replications import mean_sides, paired
from adapter_workbench.experiments.studies import present
from adapter_workbench.experiments.studies.core.planned import settled
from adapter_workbench.experiments.studies.methods import report as methods
from adapter_workbench.experiments.studies.methods.report import ComparisonReport
from adapter_workbench.experiments.studies.stream.results.comparison import tasks_are_apart
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.report import Report
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.studies.updates import report as updates
from adapter_workbench.workbench.measures.declared_tests import Test, pooled, stratified
from adapter_workbench.workbench.measures.seeds_and_examples import example_variance, over_seeds_and_examples
from adapter_workbench.workbench.measures.statistics import Interval, holm, interval
from bench import error_rates, simulated_scores, variance_choices
from tests.experiments.report.finished import FINISHED

SEEDS = (0, 1, 2, 3)
POOLED = DeclaredTest("pooled", 0.02)
OWN_FACTS = {  # what the record of each study says beside what all of them say
    "stream": "budget checkpoints contenders kinds learned majority order_per_seed orders overlap scenario "
    "shared_texts tasks test_sizes ways",
    "methods": "budget entrants kinds majority shared_texts tasks tune",
    "routing": "budget contenders method settings tasks",
    "compositions": "budgets majority parties shots targets",
    "repair": "budget entries kinds majority scenario stream streams tasks test_sizes",
    "updates": "budget majority periods scenario shared_texts tasks updates versions",
}


def scores() -> dict[str, list[float]]:
    """Scores of six rows and four seeds, whose differences are no more variable than one spread has it."""
    random = np.random.default_rng(7673)
    residuals = 0.01 * random.normal(size=(6, 4)) * np.array([0.3, 1, 1, 1, 1, 1])[:, None]
    drawn = 0.8 + residuals + 0.05 * random.normal(size=4)
    drawn[1] += 0.05
    return {"reference" if row == 0 else f"row {row}": values.tolist() for row, values in enumerate(drawn)}


def from_reference(known: dict[str, list[float]], missing: tuple[str, int] | None = None) -> dict[str, Difference]:
    gaps = {
        label: [
            None if (label, seed) == missing else own - base
            for seed, own, base in zip(SEEDS, values, known["reference"], strict=True)
        ]
        for label, values in known.items()
        if label != "reference"
    }
    return {label: paired(values, SEEDS) for label, values in gaps.items()}


@pytest.mark.parametrize("missing", [None, ("row 2", 3)])
def test_a_family_of_differences_is_pooled_as_its_scores_would_be(missing: tuple[str, int] | None) -> None:
    known = scores()
    family = in_family(from_reference(known, missing), POOLED)
    if missing:
        known[missing[0]][missing[1]] = float("nan")
    expected = pooled(known, "reference").estimates
    for label, difference in family.items():
        estimate = expected[label]
        assert estimate
        assert difference.estimate
        assert difference.estimate.test == "pooled"
        assert (difference.p, difference.seeds.mean) == pytest.approx((estimate.p, estimate.difference))
        assert (difference.seeds.low, difference.seeds.high) == pytest.approx(
            (estimate.interval().low, estimate.interval().high)
        )
    assert family["row 1"].reading == "higher"
    apart = in_family(from_reference(scores()))
    assert apart["row 1"].adjusted is not None
    assert family["row 1"].adjusted is not None
    assert family["row 1"].adjusted < apart["row 1"].adjusted


def test_only_rows_against_the_same_entry_share_a_variance() -> None:
    differences = from_reference(scores())
    against = {"row 4": "other", "row 5": "other"}
    family = in_family(differences, POOLED, against)
    groups = [
        {label: of for label, of in differences.items() if (label in against) == other} for other in (False, True)
    ]
    for group in groups:
        for label, of in in_family(group, POOLED).items():
            assert family[label].p == of.p
    assert {of.family for of in family.values()} == {5}, "one family all the same"


@pytest.mark.parametrize("study", ["methods", "routing", "compositions", "repair", "updates"])
def test_a_table_says_by_which_test_its_differences_go(study: str) -> None:
    report = FINISHED[study]()
    words = by_which_test(report.declared.values())
    assert words.startswith(", tested by the paired t-test over seeds")
    assert any(words in table.note for table in present(report).tables)
    assert "one variance for all rows" in by_which_test(in_family(from_reference(scores()), POOLED).values())
    assert by_which_test([paired([0.1], [0])]) == "", "one seed has no test"


def test_several_orders_of_a_seed_are_pooled_as_their_mean() -> None:
    differences = from_reference(scores())
    twice = {
        label: paired(
            [value for value in of.seeds.values for _ in range(2)], [seed for seed in SEEDS for _ in range(2)]
        )
        for label, of in differences.items()
    }
    once, again = in_family(differences, POOLED), in_family(twice, POOLED)
    assert [of.p for of in once.values()] == pytest.approx([of.p for of in again.values()])


def over_both(outcomes: Sequence[np.ndarray], by_task: Sequence[Sequence[float]] = ()) -> Difference:
    """A difference with these outcomes (S, n) of its tasks, first − second."""
    gaps = np.mean([task.mean(1) for task in outcomes], axis=0)
    examples = OverExamples(Interval(float(gaps.mean()), None, None), example_variance(outcomes))
    return paired(gaps.tolist(), range(len(gaps)), examples=examples, by_task=by_task)


@pytest.mark.parametrize("test", ["paired", "pooled"])
def test_one_estimate_of_seeds_and_examples_decides_as_in_the_simulations(test: Test) -> None:
    """The rates of error in tests/bench are of the very numbers that a report has."""
    choice = {"paired": variance_choices.paired, "pooled": variance_choices.checked}[test]
    drawn = simulated_scores.outcomes(np.random.default_rng(4), 1, 6, 4)
    drawn[0, 1] += 5
    differences = {f"row {row}": over_both([drawn[0, row] - drawn[0, 0]]) for row in range(1, 6)}
    family = in_family(differences, DeclaredTest(test, 3.0))
    moments = error_rates.over_both(drawn, choice)
    p, equal = moments.differs()[0], moments.equals(3.0)[0]
    assert [of.p for of in family.values()] == pytest.approx(p.tolist())
    assert [of.adjusted for of in family.values()] == pytest.approx(holm(p.tolist()))
    assert [of.p_equal for of in family.values()] == pytest.approx(holm(equal.tolist()))
    half = stats.t.ppf(0.975, moments.freedom[0]) * moments.error[0]
    assert [of.seeds.high for of in family.values()] == pytest.approx((moments.difference[0] + half).tolist())
    for of in family.values():
        assert of.adjusted is not None
        assert of.p_equal is not None
        word = "higher" if of.adjusted < 0.05 else "equal" if of.p_equal < 0.05 else "undecided"
        assert of.reading == word
        assert of.shares is not None
        assert of.shares.seeds + of.shares.examples == pytest.approx(1)
        assert of.as_json()["variance"] == {"seeds": of.shares.seeds, "examples": of.shares.examples}
    assert family["row 1"].reading == "higher"
    assert f"t-test over seeds and test examples{' with' if test == 'pooled' else ','}" in basis(family.values())


def test_tasks_that_are_apart_have_their_examples_too() -> None:
    drawn = simulated_scores.outcomes_apart(np.random.default_rng(3), 1, 2, 4)
    by_task = [*(drawn[0, 1] - drawn[0, 0])]  # (S, n) each
    of = alone_in_family(over_both(by_task, [task.mean(1).tolist() for task in by_task]), "stratified")
    expected = stratified([task.mean(1).tolist() for task in by_task])
    assert expected
    summed, shares = over_seeds_and_examples(expected, example_variance(by_task))
    assert (of.p, of.shares) == (summed.p, shares)
    assert "t-test over seeds and test examples with each task's own variance" in basis([of])


def alone_in_family(difference: Difference, test: Test) -> Difference:
    return in_family({"": difference}, DeclaredTest(test, 0.02))[""]


def test_scores_that_are_no_means_over_examples_are_tested_over_seeds_and_the_report_says_so() -> None:
    outcomes = simulated_scores.outcomes(np.random.default_rng(3), 1, 2, 3)[0]
    known, unknown = over_both([outcomes[1] - outcomes[0]]), paired([0.1, 0.2, 0.15], range(3))
    family = in_family({"known": known, "unknown": unknown})
    assert family["unknown"].p == unknown.p
    assert "variance" not in family["unknown"].as_json()
    some = "over seeds and test examples (for 1 of 2, which have no score for each example, over seeds alone)"
    assert some in basis(family.values())
    assert "over seeds, " not in basis(family.values())
    assert "paired t-test over seeds is below" in basis([alone_in_family(unknown, "paired")])


def test_equal_scores_of_other_examples_are_two_hypotheses() -> None:
    """They have two variances, so that the p of one is not that of the other."""
    steady, wild = np.full((3, 4), 0.1), np.array([[0.4, 0.4, -0.2, -0.2]] * 3)
    same = in_family({"steady": over_both([steady]), "wild": over_both([wild])})
    assert {of.family for of in same.values()} == {1}, "without any spread there is no test"
    added = np.array([[0.0], [0.01], [0.02]])
    family = in_family({"steady": over_both([steady + added]), "wild": over_both([wild + added])})
    assert {of.family for of in family.values()} == {2}
    assert family["steady"].p != family["wild"].p


ONE_SPREAD = [[0.02, 0.02, 0.02], [0.02, 0.03, 0.04]]  # (tasks, seeds)
OPPOSED = [[0.12, -0.10, 0.02], [-0.08, 0.15, 0.04]]  # has the same mean at each seed


def apart(by_task: Sequence[Sequence[float]], sign: int = 1) -> Difference:
    """Return a difference of tasks that were fitted apart."""
    tasks = sign * np.array(by_task)
    return paired(tasks.mean(0).tolist(), (0, 1, 2), by_task=tasks.tolist())


@pytest.mark.parametrize("order", [("steady", "wild"), ("wild", "steady")])
def test_equal_means_over_tasks_of_other_spreads_are_two_hypotheses(order: tuple[str, str]) -> None:
    rows = {"steady": apart(ONE_SPREAD), "wild": apart(OPPOSED)}
    family = in_family({label: rows[label] for label in order}, DeclaredTest("stratified", 0.02))
    expected = {label: stratified(tasks) for label, tasks in (("steady", ONE_SPREAD), ("wild", OPPOSED))}
    p = {label: of.p for label, of in expected.items() if of}
    adjusted = dict(zip(p, holm([*p.values()]), strict=True))
    assert {label: of.adjusted for label, of in family.items()} == pytest.approx(adjusted)
    assert {of.family for of in family.values()} == {2}
    assert family["steady"].reading == "higher"
    assert family["wild"].reading == "undecided"


def test_a_stratified_row_and_its_mirror_are_one_hypothesis_and_so_are_tasks_in_another_order() -> None:
    rows = {"own": apart(OPPOSED), "mirrored": apart(OPPOSED, -1), "turned": apart(OPPOSED[::-1])}
    family = in_family(rows, DeclaredTest("stratified", 0.02))
    assert {of.family for of in family.values()} == {1}
    assert {of.adjusted for of in family.values()} == {family["own"].p}


@pytest.mark.parametrize(
    ("values", "examples", "reading"),
    [
        ([0.001, -0.001, 0.002], None, "equal"),
        ([0.001, -0.001, 0.002], (-0.03, 0.032), "equal"),  # what the examples tell is in the test, not beside it
        ([0.04, -0.05, 0.02], (-0.01, 0.012), "undecided"),
        ([0.010, 0.011, 0.012], None, "higher"),  # and smaller than the margin: it is told apart all the same
        ([0.001], (-0.01, 0.012), "equal"),  # one seed leaves the examples
        ([0.001], (-0.03, 0.012), "undecided"),
        ([0.001], None, "no interval"),
    ],
)
def test_one_test_decides(values: list[float], examples: tuple[float, float] | None, reading: str) -> None:
    known = OverExamples(Interval(values[0], *examples), None) if examples else None
    difference = paired(values, range(len(values)), examples=known)
    assert alone(difference, 0.02).reading == reading
    assert alone(difference, None).reading in (reading, "undecided"), "without a margin nothing is equal"


def test_what_a_look_decided_stays_as_it_was_and_the_rest_is_read_at_the_last() -> None:
    higher, wide = paired([0.10, 0.11, 0.12], (0, 1, 2)), paired([0.2, -0.3, 0.1], (0, 1, 2))
    no_longer = paired([0.10, 0.11, 0.12, -0.9, 0.2], range(5))
    first, second = in_family({"a": higher, "b": wide}), in_family({"a": no_longer, "b": wide})
    assert (first["a"].is_decided, second["a"].is_decided) == (True, False)
    read = settled({3: {"score": first, "other": second}, 5: {"score": second, "other": second}}, "score")
    assert read["score"] == {"a": replace(first["a"], look=3), "b": replace(second["b"], look=5)}
    assert read["other"]["a"].look == 3, "the main metric decides for all"


def test_words_say_the_test_and_the_margin() -> None:
    family = [*in_family(from_reference(scores()), POOLED).values()]
    assert "t-test over seeds with one variance for all rows, adjusted for 5 differences (Holm)" in basis(family)
    assert legend(family).endswith("; = equal within 2 points; ? undecided")
    assert otherwise(family) == "equal within 2 points where two one-sided tests at 0.05 say so, else undecided"
    assert otherwise([paired([0.1, 0.2], (0, 1))]) == "undecided"
    close = alone(paired([0.001, -0.001, 0.002], (0, 1, 2)), 0.01)
    assert gap_in_words(close, "lower", "higher", "rows").startswith("equal within 1 point (0.1 points higher, 95 %")
    wild = scores() | {"row 4": [0.1, 0.9, 0.4, 0.7]}
    words = basis(in_family(from_reference(wild), POOLED).values())
    assert "one variance for all rows (for 1 of 5, whose spread is another, their own)" in words
    no_base = scores() | {"reference": [0.1, 0.9, 0.4, 0.7]}
    words = basis(in_family(from_reference(no_base), POOLED).values())
    assert "paired t-test over seeds (rows have several spreads, and are not pooled)" in words


def test_a_row_that_nothing_is_pooled_with_says_so() -> None:
    """Only rows with the same control share a variance: a row alone is tested paired, whatever its spread."""
    differences = from_reference(scores())
    (row,) = in_family({"row 1": differences["row 1"]}, POOLED).values()
    assert "paired t-test over seeds (no other row has the same control, to be pooled with)" in basis([row])
    apart = {label: "other" if label == "row 1" else "reference" for label in differences}
    family = in_family(differences, POOLED, apart)
    assert "one variance for all rows (for 1 of 5, whose control no other row has, their own)" in basis(family.values())
    wild = from_reference(scores() | {"row 4": [0.1, 0.9, 0.4, 0.7]}) | {"row 6": paired([0.1, 0.2, 0.15, 0.1], SEEDS)}
    words = basis(in_family(wild, POOLED, {**dict.fromkeys(wild, "reference"), "row 6": "other"}).values())
    assert "(for 2 of 6, whose spread is another or whose control no other row has, their own)" in words


def test_seeds_that_are_needed_go_by_the_declared_test() -> None:
    differences = from_reference(scores())
    one = in_family(differences)["row 2"]
    of_all = in_family(differences, POOLED)["row 2"]
    fewer, more = seeds_needed(of_all, 0.01), seeds_needed(one, 0.01)
    assert fewer is not None
    assert more is not None
    assert fewer < more


def test_a_recipe_declares_the_test_and_the_margin() -> None:
    plain, own = NamedRecipe(name="a"), NamedRecipe(name="a", test="pooled", margin=0.5)
    assert (plain.test, plain.margin) == ("paired", 2.0)
    assert (own.test, own.margin) == ("pooled", 0.5)
    for wrong in ({"test": "anova"}, {"margin": 0}, {"margin": 101}):
        with pytest.raises(ValueError, match=r"test|margin"):
            NamedRecipe.model_validate({"name": "a", **wrong})


def test_only_studies_of_single_tasks_are_stratified() -> None:
    with pytest.raises(ValueError, match="fitted apart: use paired or pooled"):
        NamedRecipe(name="a", test="stratified")


def test_tasks_that_are_fitted_apart_are_strata() -> None:
    gaps = np.random.default_rng(0).normal(0.01, 0.01, (5, 3))
    apart = paired(gaps.mean(0).tolist(), (0, 1, 2), by_task=gaps.tolist(), task_steps=[0.001] * 5)
    shared = paired(gaps.mean(0).tolist(), (0, 1, 2))
    family = in_family({"apart": apart, "shared": shared}, DeclaredTest("stratified", 0.02))
    expected = stratified(gaps.tolist(), [0.001 / 12**0.5] * 5)
    assert expected
    assert family["apart"].p == expected.p
    assert (family["apart"].seeds.low, family["apart"].seeds.high) == pytest.approx(
        (expected.interval().low, expected.interval().high)
    )
    assert family["shared"].p == shared.p
    words = basis(family.values())
    assert "each task's own variance (for 1 of 2, whose tasks share a model or texts, that of their mean)" in words
    words = basis(in_family({"shared": shared}, DeclaredTest("stratified")).values())
    assert "paired t-test over seeds (the tasks of all that are compared share a model or texts)" in words


def test_tasks_that_rise_and_fall_together_are_tested_by_their_mean_and_the_words_say_why() -> None:
    together = np.array([[0.02, 0.05, -0.03]] * 4) + 0.001 * np.random.default_rng(0).normal(size=(4, 3))
    apart = paired(together.mean(0).tolist(), (0, 1, 2), by_task=together.tolist())
    family = in_family({"together": apart}, DeclaredTest("stratified", 0.02))
    assert family["together"].p == apart.p
    unchecked = stratified(together.tolist())
    assert unchecked
    assert unchecked.p is not None
    assert apart.p is not None
    assert unchecked.p < apart.p
    assert "paired t-test over seeds (the tasks may rise and fall together)" in basis(family.values())


def test_scores_near_a_bound_are_equal_only_where_the_binomial_spread_says_so() -> None:
    """0 of 100 answers, and 2, 2 and 1: true shares of 0 and 5 % give that too often for the t-test alone."""
    gaps, seeds, margin = [0.02, 0.02, 0.01], (0, 1, 2), DeclaredTest("paired", 0.05)  # p of the t-test: 0.005
    unknown = in_family({"": paired(gaps, seeds, 0.01)}, margin)[""]
    near = in_family({"": paired(gaps, seeds, 0.01, sides=(5 / 300, 0.0))}, margin)[""]
    middle = in_family({"": paired(gaps, seeds, 0.01, sides=(0.5 + 5 / 300, 0.5))}, margin)[""]
    low = 5 / 600 - 0.025  # of two shares with this middle that differ by the margin: below 0, so it is 0
    error = math.sqrt(max(low, 0.0) + 0.05 * 0.95) / math.sqrt(300)
    t_test = stats.t.cdf((5 / 300 - 0.05) / (np.std(gaps, ddof=1) / math.sqrt(3)), 2)
    assert unknown.p_equal == middle.p_equal == pytest.approx(t_test)
    assert near.p_equal == pytest.approx(max(t_test, stats.norm.cdf((5 / 300 - 0.05) / error)))
    few = in_family({"": paired(gaps, seeds, 0.05, sides=(5 / 300, 0.0))}, margin)[""]
    assert few.p_equal == pytest.approx(stats.norm.cdf((5 / 300 - 0.05) / math.sqrt(0.05 * 0.95 * 0.05 / 3))), "of 20"
    assert few.reading == "undecided"
    assert mean_sides([0.5, None, 0.7], [0.1, 0.2, 0.3]) == pytest.approx((0.6, 0.2))
    assert mean_sides([-0.1], [0.2]) is None, "an R² is no share"


def test_methods_are_compared_on_tasks_that_are_strata() -> None:
    report = FINISHED["methods"]()
    assert isinstance(report, ComparisonReport)
    differences = [row.difference for row in report.rows if row.difference]
    assert differences
    for difference in differences:
        assert len(difference.tasks) == len(report.record.tasks)
        means = [
            fmean(value for value in values if value is not None) for values in zip(*difference.tasks, strict=True)
        ]
        assert means == pytest.approx(difference.seeds.values)


@pytest.mark.parametrize("study", ["methods", "updates"])
@pytest.mark.parametrize(("in_another_task", "strata"), [(True, False), (False, True)])
def test_tasks_that_test_the_same_texts_are_no_strata(study: str, in_another_task: bool, strata: bool) -> None:
    """What one side gets wrong of a text in one task it tends to get wrong in the other: they are not independent.

    A text that stands twice among the examples of one task says nothing of this.
    """
    report: Any = FINISHED[study]()
    record = report.record
    tasks = record.tasks if in_another_task else record.tasks[:1]
    shared = {task: {"0": 0, "1": 0} for task in tasks}
    again = {"methods": methods.summarise, "updates": updates.summarise}[study](
        replace(record, shared_texts=shared, test="stratified"), Path
    )
    differences = [
        difference
        for row in again.rows
        for difference in ([row.difference] if study == "methods" else row.differences.values())
        if difference
    ]
    assert differences
    assert all(len(difference.tasks) == (len(record.tasks) if strata else 0) for difference in differences)


def test_isolated_entries_of_a_stream_are_strata(record: Record) -> None:
    """Those whose answers no other task has a part in: begun afresh, the task known, no example shared."""
    isolated = next(entry for entry in record.entries if entry.strategy == "isolated")
    assert isolated.fits_tasks_apart
    assert not replace(isolated, settings={**isolated.settings, "init": "nearest"}).fits_tasks_apart
    assert replace(isolated, settings={"init": "fitted"}).fits_tasks_apart, "afresh, under a head of its own task"
    assert replace(isolated, method="head", settings={}).fits_tasks_apart
    for shared in ("mask", "progressive-prompts", "ranpac", "joint", "sequential"):
        assert not replace(isolated, strategy=shared, settings={}).fits_tasks_apart
    assert tasks_are_apart(replace(record, scenario="task-incremental", overlap=None))
    assert not tasks_are_apart(replace(record, scenario="class-incremental"))
    shared = {task: {"1": 1} for task in record.tasks[:2]}
    assert not tasks_are_apart(replace(record, shared_texts=shared)), "other tasks test the same texts"
    assert tasks_are_apart(replace(record, shared_texts={record.tasks[0]: {"1": 1, "2": 1}})), (
        "one task repeats its own"
    )
    twin = replace(isolated, label="twin")
    outcomes = tuple(replace(of, label="twin") for of in record.outcomes if of.label == isolated.label)
    own = replace(record, entries=(isolated, twin), outcomes=(*record.outcomes, *outcomes), reference="twin")
    difference = summarise(replace(own, test="stratified")).strategies[0].differences["average_accuracy"]
    assert len(difference.tasks) == len(record.tasks)
    assert {value for task in difference.tasks for value in task} == {0.0}, "a twin"


def test_a_record_says_them_only_where_the_recipe_does(record: Record) -> None:
    """Else experiments of earlier versions would have another identity, and be set aside."""
    assert not {"test", "margin"} & {*record.about()}
    declared = replace(record, test="pooled", margin=0.5)
    assert {"test": "pooled", "margin": 0.5}.items() <= declared.about().items()
    assert declared.declared_test == DeclaredTest("pooled", 0.005)


@pytest.mark.parametrize("study", FINISHED)
def test_a_record_without_options_says_what_it_always_said(study: str) -> None:
    """Its identity is made of this: a new field with a default is left out, or experiments are set aside."""
    always = {"backbone", "data", "data_sources", "description", "precision", "reference", "seeds"}
    assert {*FINISHED[study]().record.about()} == always | {*OWN_FACTS[study].split()}


def test_a_stream_is_compared_by_its_declared_test(record: Record, report: Report) -> None:
    pooled_report = summarise(replace(record, test="pooled"))
    assert [of.test for of in (report.record, pooled_report.record)] == ["paired", "pooled"]
    documents = [of.as_json() for of in (report, pooled_report)]
    assert [(of["test"], of["margin"]) for of in documents] == [("paired", 2.0), ("pooled", 2.0)]
    declared = {of.declared for strategy in pooled_report.strategies for of in strategy.differences.values()}
    assert declared == {"pooled"}
    assert "paired t-test over seeds" in report.evidence[-1]
    assert "(rows have several spreads, and are not pooled)" in pooled_report.evidence[-1]
    assert pooled_report.pairs == report.pairs, "exploratory pairs stay paired"


def test_a_difference_alone_has_no_family() -> None:
    difference = alone(Difference(interval([0.1, 0.11]), p=0.03), 0.02)
    assert (difference.adjusted, difference.family, difference.margin) == (None, 1, 0.02)
