"""Declared tests beside SciPy, least squares and closed forms; their error rates are in tests/bench."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from adapter_workbench.workbench.measures.declared_tests import paired, paired_moments, pooled, stratified
from adapter_workbench.workbench.measures.estimate import Estimate
from adapter_workbench.workbench.measures.granularity import least_spread, score_step
from adapter_workbench.workbench.measures.pooled_variance import have_one_spread, row_squares, rows_of_one_spread
from adapter_workbench.workbench.measures.seeds_and_examples import example_variance, over_seeds_and_examples
from adapter_workbench.workbench.measures.statistics import paired_t_test

NAN = float("nan")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


def least_squares(table: np.ndarray) -> tuple[float, int]:
    """Return the residual sum of squares and degrees of freedom of rows + seeds, by dummies."""
    rows, seeds = np.nonzero(np.isfinite(table))
    design = np.hstack([np.eye(table.shape[0])[rows], np.eye(table.shape[1])[seeds]])
    values = table[rows, seeds]
    fit = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(((values - fit) ** 2).sum()), len(values) - int(np.linalg.matrix_rank(design))


def test_paired_is_the_t_test_of_scipy() -> None:
    differences = [0.03, -0.01, 0.05, 0.02]
    estimate, expected = paired(differences), stats.ttest_1samp(differences, 0)
    assert estimate
    assert estimate.p == pytest.approx(expected.pvalue)
    assert estimate.p == pytest.approx(paired_t_test(differences)), "the test as it is in every report"
    bounds = expected.confidence_interval()
    assert (estimate.interval().low, estimate.interval().high) == pytest.approx((bounds.low, bounds.high))
    assert paired([0.03, None, -0.01, NAN, 0.05, 0.02]) == estimate, "a missing seed is left out"
    assert paired([0.03, None]) is None


@pytest.mark.parametrize("margin", [0.02, 0.04, 0.09])
def test_equality_is_two_one_sided_tests_of_scipy(margin: float) -> None:
    differences = [0.03, -0.01, 0.05, 0.02]
    estimate = paired(differences)
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    assert estimate
    assert estimate.p_equal(margin) == pytest.approx(max(above, below))
    inner = estimate.interval(0.9)
    assert inner.low is not None
    assert inner.high is not None
    assert (max(above, below) < 0.05) == (-margin < inner.low and inner.high < margin)
    with pytest.raises(ValueError, match="positive: got 0"):
        estimate.p_equal(0)


def test_equal_differences_do_not_give_a_p_of_0() -> None:
    bare = paired([0.01, 0.01])
    assert bare
    assert (bare.p, bare.interval().low, bare.p_equal(0.02)) == (None, None, None), "nothing tells the spread"
    floor = least_spread(score_step([100]))
    assert floor
    floored = paired([0.01, 0.01], floor)  # by one example of a hundred
    assert floored
    assert floored.p == pytest.approx(2 * stats.t.sf(math.sqrt(12) * math.sqrt(2), 1)), "h ÷ (h ÷ √12 ÷ √2)"
    assert floored.p == pytest.approx(paired_t_test([0.01, 0.01], floor)), "the test as it is in every report"
    none = paired([0.0, 0.0, 0.0])
    assert none
    assert none.p == 1.0
    same = paired([0.0, 0.0, 0.0], floor)
    assert same
    assert same.p == 1.0
    assert same.p_equal(0.02) == pytest.approx(stats.t.sf(0.02 / (floor / math.sqrt(3)), 2))
    table = {"reference": [0.5, 0.5], "a": [0.51, 0.51], "b": [0.5, 0.5]}
    pair = pooled(table, "reference", floor).estimates["a"]
    assert pair
    assert pair.error == pytest.approx(floor / math.sqrt(2)), "the same floor where the variance is pooled"


@pytest.mark.parametrize("missing", [False, True])
def test_the_pooled_variance_is_that_of_least_squares(missing: bool, random: np.random.Generator) -> None:
    table = random.normal(size=(5, 6)) + np.arange(6)
    if missing:  # two rows went on to seeds that the others have not
        table[2:, 3:] = NAN
    squares = row_squares(table, np.ones(5, dtype=bool))
    blocks = [table[:, :3], table[:2, 3:]] if missing else [table]
    expected = [least_squares(block) for block in blocks]
    assert squares.total == pytest.approx(sum(total for total, _ in expected))
    assert squares.total_freedom == sum(freedom for _, freedom in expected)


def test_a_row_is_taken_out_by_an_exact_f_test(random: np.random.Generator) -> None:
    table = random.normal(size=(5, 4))
    squares = row_squares(table, np.ones(5, dtype=bool))
    (whole, freedom), (rest, rest_freedom) = least_squares(table), least_squares(np.delete(table, 2, 0))
    assert squares.rows[2] == pytest.approx(whole - rest)
    assert squares.rows_freedom[2] == freedom - rest_freedom == 3
    wide = table.copy()
    wide[2] *= 40
    assert rows_of_one_spread(wide).tolist() == [True, True, False, True, True]
    assert rows_of_one_spread(np.stack([table, wide]))[:, 2].tolist() == [True, False], "each table by itself"


def test_one_spread_is_bartletts_test(random: np.random.Generator) -> None:
    table = random.normal(size=(6, 5)) * np.array([1, 1, 1, 3, 3, 0.4])[:, None]
    kept = np.ones(6, dtype=bool)
    own = row_squares(table, kept).rows / 4
    pattern = stats.zscore(random.normal(size=5), ddof=1)
    p = stats.bartlett(*(pattern * math.sqrt(variance) for variance in own)).pvalue
    assert bool(have_one_spread(table, kept, level=p - 1e-9)) is True
    assert bool(have_one_spread(table, kept, level=p + 1e-9)) is False


def test_pooled_takes_the_variance_of_all_rows(random: np.random.Generator) -> None:
    table = random.normal(size=(4, 3))
    scores = {f"row {row}": values.tolist() for row, values in enumerate(table)}
    result = pooled(scores, "row 0")
    (total, freedom), estimate = least_squares(table), result.estimates["row 3"]
    assert estimate
    assert (result.taken_out, result.one_spread) == ((), True)
    assert (estimate.test, estimate.freedom) == ("pooled", freedom)
    assert estimate.error == pytest.approx(math.sqrt(2 * total / freedom / 3))
    assert estimate.difference == pytest.approx((table[3] - table[0]).mean())
    pair = pooled({"a": scores["row 1"], "b": scores["row 0"]}, "b").estimates["a"]
    alone = paired((table[1] - table[0]).tolist())
    assert pair
    assert alone
    assert (pair.p, pair.error) == pytest.approx((alone.p, alone.error)), "of two rows it is the paired test"
    with pytest.raises(KeyError, match="nobody"):
        pooled(scores, "nobody")


def test_rows_of_another_spread_are_tested_paired(random: np.random.Generator) -> None:
    table = random.normal(size=(6, 5))
    table[4] *= 60
    scores = {f"row {row}": values.tolist() for row, values in enumerate(table)}
    result = pooled(scores, "row 0")
    alone = paired((table[4] - table[0]).tolist())
    assert result.taken_out == ("row 4",)
    assert result.estimates["row 4"] == alone
    squares = row_squares(np.delete(table, 4, 0), np.ones(5, dtype=bool))
    for label, estimate in result.estimates.items():
        if label != "row 4" and estimate:
            own = paired((table[int(label[-1])] - table[0]).tolist())
            assert own
            larger = own.error**2 * 5 / (2 * squares.variance()) > stats.f.ppf(0.5, 4, squares.total_freedom)
            assert estimate.test == ("paired" if larger else "pooled"), "by the row's own differences"
    assert {estimate.test for estimate in result.estimates.values() if estimate} == {"paired", "pooled"}
    against_it = pooled(scores, "row 4")
    assert {estimate.test for estimate in against_it.estimates.values() if estimate} == {"paired"}
    spreads = np.repeat([1.0, 0.4], 6)[:, None]
    several = {f"row {row}": own.tolist() for row, own in enumerate(random.normal(size=(12, 8)) * spreads)}
    mixed = pooled(several, "row 0")
    assert not mixed.one_spread
    assert {estimate.test for estimate in mixed.estimates.values() if estimate} == {"paired"}


def test_rows_that_have_fewer_seeds_are_compared_over_those(random: np.random.Generator) -> None:
    table = random.normal(size=(4, 5))
    scores = {f"row {row}": values.tolist() for row, values in enumerate(table)}
    scores["row 2"][3:] = [None, None]
    scores["row 3"] = [1.0, None, None, None, None]
    result = pooled(scores, "row 0")
    shorter = result.estimates["row 2"]
    assert shorter
    assert shorter.difference == pytest.approx((table[2] - table[0])[:3].mean())
    assert len(shorter.values) == 3
    assert result.estimates["row 3"] is None


def test_stratified_adds_the_tasks_variances() -> None:
    differences = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    estimate = stratified(differences.tolist())
    variances = np.array([1.0, 4.0]) / 3
    assert estimate
    assert estimate.difference == 3.0
    assert estimate.error == pytest.approx(math.sqrt(variances.sum()) / 2)
    assert estimate.freedom == pytest.approx(variances.sum() ** 2 / ((variances**2) / 4).sum() - 2), "Welch 1947"
    equal = stratified([[1.0, 2.0, 3.0], [5.0, 7.0, 6.0], [4.0, 2.0, 3.0]])
    assert equal
    assert equal.freedom == 6.0, "T(S − 1), where it is clipped"
    assert stratified([[1.0, 2.0], [1.0, None]]) is None
    assert stratified([]) is None
    floored = stratified([[0.01, 0.01], [0.02, 0.02]], [0.01 / math.sqrt(12)] * 2)
    assert floored
    assert floored.p is not None
    assert floored.p > 0


def test_seeds_and_examples_make_one_variance(random: np.random.Generator) -> None:
    outcomes = random.normal(size=(4, 30)) + random.normal(size=(4, 1)) + 2 * random.normal(size=(1, 30))
    estimate = paired(outcomes.mean(1).tolist())
    assert estimate
    summed, shares = over_seeds_and_examples(estimate, example_variance([outcomes]))
    residual, freedom = least_squares(outcomes)
    by_seed, by_example = 30 * outcomes.mean(1).var(ddof=1), 4 * outcomes.mean(0).var(ddof=1)
    expected = (by_seed + by_example - residual / freedom) / 120
    assert summed.error**2 == pytest.approx(expected), "(MS seeds + MS examples − MS interaction) ÷ S n"
    terms = ((max(by_seed, residual / freedom), 3), (by_example, 29), (residual / freedom, 87))
    degrees = expected**2 / sum((square / 120) ** 2 / of for square, of in terms)
    assert summed.freedom == pytest.approx(max(degrees, 3)), "Satterthwaite 1946"
    assert shares.seeds == pytest.approx(by_seed / 120 / expected)
    assert summed.fixed == pytest.approx(expected - by_seed / 120), "what no further seed lowers"
    two = example_variance([outcomes, outcomes])
    assert two.examples == pytest.approx(by_example / 120 / 2), "a mean over two tasks"
    with pytest.raises(ValueError, match="two examples or more"):
        example_variance([outcomes[:, :1]])


def test_texts_that_tasks_share_are_drawn_once(random: np.random.Generator) -> None:
    tasks = [random.normal(size=(3, 12)) + random.normal(size=12), random.normal(size=(3, 20))]
    alone = example_variance(tasks)
    apart = example_variance(tasks, [np.arange(12), np.arange(12, 32)])
    assert [*map(float, apart)] == pytest.approx([*map(float, alone)]), "a text for each row"
    once = example_variance(tasks[:1])
    twice = example_variance([tasks[0]] * 3, [np.arange(12)] * 3)
    assert [*map(float, twice)] == pytest.approx([*map(float, once)]), "three times the same examples tell no more"
    turned = example_variance([tasks[0], tasks[0][:, ::-1]], [np.arange(12), np.arange(12)[::-1]])
    assert [*map(float, turned)] == pytest.approx([*map(float, once)]), "in whichever order"
    opposed = example_variance([tasks[0], -tasks[0]], [np.arange(12)] * 2)
    assert float(opposed.examples) == pytest.approx(0), "what one task gains by a text the other loses"
    by_hand = np.zeros(20)  # texts 0 to 19, of which the first task tests twelve
    for task in tasks:
        size = task.shape[-1]
        deviations = task.mean(0) - task.mean()
        by_hand[:size] += deviations / (2 * size) * np.sqrt(size / (size - 1))
    clustered = example_variance(tasks, [np.arange(12), np.arange(20)])
    assert float(clustered.examples) == pytest.approx((by_hand**2).sum())
    assert float(clustered.examples_freedom) < float(alone.examples_freedom)


def test_arrays_of_differences_are_tested_like_each_alone(random: np.random.Generator) -> None:
    differences = random.normal(size=(3, 4))
    together = paired_moments(differences).differs()
    assert together == pytest.approx(stats.ttest_1samp(differences, 0, axis=1).pvalue)


def test_two_estimates_of_the_same_differences_are_one_hypothesis() -> None:
    assert Estimate(0.1, 0.02, 2, values=(0.1, 0.1)).hypothesis == Estimate(0.1, 0.02, 2, values=(0.1, 0.1)).hypothesis
    assert Estimate(0.1, 0.02, 2).hypothesis != Estimate(0.1, 0.02, 3).hypothesis
