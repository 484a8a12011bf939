"""Two experiments in one metric: what a report says of two of its own, and no difference where none can be taken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from adapter_workbench.experiments.reporting.contrast import as_families, contrast
from adapter_workbench.experiments.reporting.families import alone
from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.stream.results.scored import scores_in
from adapter_workbench.workbench.measures.statistics import holm, paired_t_test

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.scored import Replication
    from adapter_workbench.experiments.studies.stream.results.report import Report


def scores(tests: dict[str, str | None] | None = None, **problems: dict[int, float]) -> MetricScores:
    """Return scores by problem and seed; each is a task with as many right answers of 10 as its score says."""

    def problem(name: str, values: dict[int, float]) -> ProblemScores:
        def examples(replication: Replication, task: str) -> pd.Series:
            right = round(10 * values[replication[0]])
            return pd.Series([1.0] * right + [0.0] * (10 - right))

        own = {name: (tests or {}).get(name, "rows 10")}
        return ProblemScores({(seed, ()): value for seed, value in values.items()}, own, examples)

    return MetricScores("higher", {name: problem(name, values) for name, values in problems.items()})


@pytest.mark.parametrize("fixture", ["report", "replicated_report"])
def test_it_says_of_two_strategies_what_their_report_says(fixture: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(fixture)
    report = replace(report, record=replace(report.record, data=dict.fromkeys(report.record.tasks, "rows")))
    measured, reference = scores_in(report), report.record.reference
    for strategy in report.strategies:
        for metric, declared in strategy.differences.items():
            compared = contrast(measured[strategy.label][metric], measured[reference][metric])
            if declared.seeds.mean is None:  # joint training has no forgetting
                assert (compared.difference, compared.why) == (None, "not measured in both")
                continue
            assert compared.difference is not None
            of_its_own = alone(compared.difference, None)
            assert (of_its_own.seeds, of_its_own.p, of_its_own.shares) == (declared.seeds, declared.p, declared.shares)
            assert of_its_own.examples == declared.examples
            assert compared.first == strategy.metrics[metric] or compared.first.mean == strategy.metrics[metric].mean
    adjusted = as_families(
        {
            strategy.label: {
                name: contrast(measured[strategy.label][name], measured[reference][name])
                for name in strategy.differences
            }
            for strategy in report.strategies
            if strategy.differences
        }
    )
    for label, declared in report.declared.items():
        difference = adjusted[label]["average_accuracy"].difference
        assert difference is not None
        assert (difference.adjusted, difference.reading) == (declared.adjusted, declared.reading)


def test_only_seeds_that_both_have_are_paired() -> None:
    compared = contrast(scores(a={0: 0.6, 1: 0.7, 2: 0.9}), scores(a={1: 0.5, 2: 0.8, 3: 0.1}))
    assert compared.difference is not None
    assert compared.difference.seeds.values == pytest.approx((0.2, 0.1))
    assert compared.difference.p == paired_t_test([0.7 - 0.5, 0.9 - 0.8])
    assert (compared.replications, compared.why) == (2, "")
    assert compared.first.values == (0.6, 0.7, 0.9), "each stands with all of its own"
    assert compared.difference.examples is not None
    assert compared.difference.examples.mean == pytest.approx(0.15)


def test_without_a_seed_in_common_there_is_no_difference() -> None:
    compared = contrast(scores(a={0: 0.6, 1: 0.7}), scores(a={2: 0.5}))
    assert (compared.difference, compared.why) == (None, "no seed in common: 0, 1 here, 2 there")
    assert compared.as_json()["difference"] is None
    assert compared.second.mean == 0.5


def test_streams_in_other_orders_are_not_paired() -> None:
    def stream(*tasks: str) -> MetricScores:
        return MetricScores("lower", {"": ProblemScores({(0, tasks): 0.1}, dict.fromkeys(tasks, "rows 10"))})

    assert contrast(stream("a", "b"), stream("b", "a")).why == "no order of the tasks in common"
    assert contrast(stream("a", "b"), stream("a", "b")).difference is not None
    assert contrast(stream("a", "b"), stream("a", "c")).why == "only one has b, c"


def test_other_test_examples_are_not_held_against_each_other() -> None:
    """They shift all seeds alike: a test over seeds would say p = 0 of a difference that the models need not have."""
    compared = contrast(scores(a={0: 0.6, 1: 0.6}), scores({"a": split_key("other rows", 10)}, a={0: 0.8, 1: 0.8}))
    assert (compared.difference, compared.why) == (None, "other test examples of a")
    fewer = contrast(scores(a={0: 0.6}), scores({"a": "rows 9"}, a={0: 0.6}))
    assert fewer.difference is None


def test_scores_of_different_scenarios_are_not_paired(report: Report) -> None:
    """Where the task's name is known, fewer labels can be answered: the same test examples are another question."""
    data = dict.fromkeys(report.record.tasks, "rows")
    named, unnamed = (
        scores_in(replace(report, record=replace(report.record, data=data, scenario=scenario)))["full-sequential"]
        for scenario in ("task-incremental", "class-incremental")
    )
    compared = contrast(named["average_accuracy"], unnamed["average_accuracy"])
    assert compared.difference is None
    assert compared.why == "other scenarios: task-incremental here, class-incremental there"
    assert contrast(named["average_accuracy"], named["average_accuracy"]).difference is not None


def test_test_examples_that_nothing_identifies_are_never_the_same() -> None:
    """Records of earlier versions have no fingerprints of their data; equally many examples are not the same ones."""
    unknown = split_key(None, 100)
    compared = contrast(scores({"a": unknown}, a={0: 0.6, 1: 0.6}), scores({"a": unknown}, a={0: 0.8, 1: 0.8}))
    assert (compared.difference, compared.why) == (None, "it is not known which test examples of a")
    assert contrast(scores({"a": unknown}, a={0: 0.6}), scores(a={0: 0.6})).difference is None


def test_a_mean_is_taken_over_the_problems_that_both_have() -> None:
    compared = contrast(
        scores({"b": "old 10"}, a={0: 0.6}, b={0: 0.1}, c={0: 0.4}),
        scores(a={0: 0.5}, b={0: 0.9}, c={0: 0.1}, d={0: 1}),
    )
    assert compared.problems == ("a", "c")
    assert compared.left_out == {"b": "other test examples of b", "d": "not measured in both"}
    assert compared.difference is not None
    assert compared.difference.seeds.mean == pytest.approx((0.1 + 0.3) / 2)
    assert (compared.first.mean, compared.second.mean) == (pytest.approx(0.5), pytest.approx(0.3))


def test_a_replication_counts_once_it_has_every_problem() -> None:
    compared = contrast(scores(a={0: 0.6, 1: 0.6}, b={0: 0.5}), scores(a={0: 0.5, 1: 0.5}, b={0: 0.5, 1: 0.5}))
    assert compared.replications == 1
    assert contrast(scores(), scores(a={0: 1})).why == "not measured in both"


def test_a_family_is_one_metric_over_all_labels() -> None:
    firm, loose = {0: 0.6, 1: 0.7, 2: 0.8}, {0: 0.6, 1: 0.5, 2: 0.9}
    against = scores(a={0: 0.5, 1: 0.5, 2: 0.6})
    adjusted = as_families(
        {"x": {"score": contrast(scores(a=firm), against)}, "y": {"score": contrast(scores(a=loose), against)}}
    )
    differences = [contrasts["score"].difference for contrasts in adjusted.values()]
    assert [difference.adjusted for difference in differences if difference] == holm(
        [difference.p for difference in differences if difference]
    )
    assert {difference.family for difference in differences if difference} == {2}
