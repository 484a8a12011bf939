"""Intervals and tests against SciPy, drawing by hand, and examples from the definitions."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adapter_workbench.workbench.measures import statistics
from adapter_workbench.workbench.measures.clustered import clustered_bootstrap, clustered_bootstraps
from adapter_workbench.workbench.measures.granularity import least_spread, score_step
from adapter_workbench.workbench.measures.statistics import (
    Interval,
    holm,
    interval,
    mean_of_known,
    paired_bootstrap,
    paired_t_test,
    seeds_for,
)

NAN, DEFAULT_RNG = float("nan"), np.random.default_rng


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=10))
def test_the_interval_is_the_t_interval_of_scipy(values: list[float]) -> None:
    estimate = interval(values)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.mean == pytest.approx(np.mean(values), abs=1e-12)
    if np.std(values) > 1e-12:
        expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        assert (estimate.low, estimate.high) == pytest.approx(expected, abs=1e-9)


def test_intervals_of_few_equal_and_missing_values() -> None:
    assert interval([]) == Interval(None, None, None, ())
    assert interval([0.3]) == Interval(0.3, None, None, (0.3,))
    assert interval([NAN, 0.3, None]) == Interval(0.3, None, None, (None, 0.3, None))
    assert interval([0.1, 0.1, 0.1]) == Interval(0.1, 0.1, 0.1, (0.1, 0.1, 0.1))
    assert interval([0.0, 0.0]).holds_zero
    assert interval([0.3]).holds_zero is None


def test_a_mean_is_that_of_what_is_known() -> None:
    assert mean_of_known([0.5, None, 1.0]) == 0.75
    assert mean_of_known([None]) is None
    assert mean_of_known(iter(())) is None


def test_the_bootstrap_agrees_with_drawing_indices() -> None:
    random = np.random.default_rng(7)
    first = [random.integers(0, 2, 200).astype(float), random.integers(0, 2, 50).astype(float)]
    second = [np.where(random.random(200) < 0.8, first[0], 0.0), random.integers(0, 2, 50).astype(float)]
    differences = [x - y for x, y in zip(first, second, strict=True)]
    draws = sum(d[random.integers(0, len(d), (20_000, len(d)))].mean(1) for d in differences) / 2
    estimate = paired_bootstrap(first, second, seed=1, resamples=20_000)
    assert estimate is not None
    assert estimate.mean == pytest.approx(np.mean([d.mean() for d in differences]))
    assert (estimate.low, estimate.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.005)


def test_the_bootstrap_covers_the_normal_approximation() -> None:
    # closed form: the standard error of a mean of n paired differences is s / √n
    random = np.random.default_rng(3)
    difference = random.choice([-1.0, 0.0, 1.0], 4000, p=[0.1, 0.7, 0.2])
    estimate = paired_bootstrap([difference], [np.zeros(4000)])
    assert estimate is not None
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * difference.std() / math.sqrt(4000), rel=0.05)


def test_the_bootstrap_draws_many_distinct_differences_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    first, second = [random.random(300), random.random(200)], [random.random(300), random.random(200)]
    whole = paired_bootstrap(first, second, resamples=1000)
    sizes = []

    class Watched(np.random.Generator):
        def multinomial(self, *arguments: object, size: int) -> np.ndarray:
            sizes.append(size)
            return super().multinomial(*arguments, size=size)

    monkeypatch.setattr(statistics, "MOST_COUNTS", 300 * 64)
    monkeypatch.setattr(statistics.np.random, "default_rng", lambda seed: Watched(np.random.PCG64(seed)))
    assert paired_bootstrap(first, second, resamples=1000) == whole
    assert max(sizes) == 96, "of the task with 200 distinct differences"
    assert sum(sizes) == 2000


def test_the_bootstrap_is_seeded_and_refuses_what_is_not_paired() -> None:
    first, second = [np.array([1.0, 0.0, 1.0, 1.0])], [np.array([0.0, 0.0, 1.0, 0.0])]
    assert paired_bootstrap(first, second, seed=3) == paired_bootstrap(first, second, seed=3)
    same = paired_bootstrap(first, first)
    assert (same.mean, same.low, same.high) == (0.0, 0.0, 0.0)
    assert paired_bootstrap([np.array([NAN])], [np.array([1.0])]) is None
    assert paired_bootstrap([], []) is None
    with pytest.raises(ValueError, match="same examples"):
        paired_bootstrap(first, [np.array([1.0])])


def test_holm_and_the_t_test() -> None:
    # by hand: 4 · 0.005, 3 · 0.01, 2 · 0.03, and 1 · 0.04 may not be below the one before it
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    gaps = np.random.default_rng(0).normal(0.1, 0.2, 7)
    assert paired_t_test(tuple(gaps)) == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)
    assert paired_t_test((0.2, None)) is None
    assert paired_t_test((0.0, 0.0)) == 1.0


def test_equal_differences_are_no_proof_that_there_is_no_spread() -> None:
    floor = least_spread(score_step([400, 100]))
    assert floor == pytest.approx(1 / (2 * 400) / np.sqrt(12))
    # by hand: t = 0.00125 · √2 ÷ (0.00125 ÷ √12) = √24, one degree of freedom
    equal = (0.00125, 0.00125)
    assert paired_t_test(equal, floor) == pytest.approx(2 * stats.t.sf(np.sqrt(24), 1))
    assert paired_t_test(equal) is None, "no floor, no p"
    assert interval(equal, floor).low == pytest.approx(0.00125 - 12.706 * floor / np.sqrt(2), abs=1e-6)
    assert interval(equal, None).low is None
    assert paired_t_test((0.0, 0.0)) == 1.0
    assert least_spread(score_step([])) is None
    assert score_step([10, 20], averaged=1) == 1 / 20


def test_scores_of_few_examples_reject_a_true_null_no_more_often_than_the_level_says() -> None:
    """Two seeds; the true spread is 1 to 8 steps of the test set. With p = 0 for equal ones: 0.12, 0.07, 0.06."""
    generator = np.random.default_rng(0)
    step = 1 / 100
    for spread in (1, 3, 8):
        true = generator.normal(0, spread * step, (4000, 2))
        seen = np.round(true / step) * step
        chances = [paired_t_test(pair, least_spread(step)) for pair in seen.tolist()]
        rejected = np.mean([p < 0.05 for p in chances if p is not None])
        assert rejected < 0.055, spread
    assert rejected > 0.04, "the floor takes no power where the spread is larger"


@pytest.mark.parametrize(("effect", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_are_as_many_as_in_the_tables_of_cohen(effect: float, seeds: int) -> None:
    assert seeds_for(effect, 1.0) == seeds
    assert seeds_for(-3 * effect, 3.0) == seeds, "the sign and the unit do not matter"


def test_so_many_seeds_find_the_difference_with_the_power_that_was_asked_for() -> None:
    generator = np.random.default_rng(0)
    for effect, tests in ((1.0, 1), (1.5, 9), (4.0, 1)):
        seeds = seeds_for(effect, 1.0, tests)
        assert seeds is not None
        too_few, enough = (
            np.mean(stats.ttest_1samp(generator.normal(effect, 1, (4000, n)), 0, axis=1).pvalue < 0.05 / tests)
            for n in (seeds - 1, seeds)
        )
        assert too_few < 0.82
        assert enough > 0.78


def test_more_tests_need_more_seeds_and_some_differences_need_too_many() -> None:
    assert seeds_for(1.0, 1.0, tests=9) > seeds_for(1.0, 1.0)
    assert seeds_for(0.01, 1.0) is None
    assert seeds_for(0.01, 0.0) == 2, "differences without spread"
    assert seeds_for(0.4, 1e-9) == 2, "and with next to none"
    with pytest.raises(ValueError, match="no such test"):
        seeds_for(0.0, 1.0)


def test_examples_of_one_source_are_drawn_together() -> None:
    """Two tasks that ask the same of the same texts are one task asked twice: the interval is that of one."""
    generator = np.random.default_rng(2)
    ours, theirs = (generator.integers(0, 2, 300).astype(float) for _ in range(2))
    texts = np.arange(300)
    alone = paired_bootstrap([ours], [theirs])
    twice = clustered_bootstrap([ours, ours], [theirs, theirs], [texts, texts])
    apart = clustered_bootstrap([ours, ours], [theirs, theirs], [texts, texts + 300])
    rows = paired_bootstrap([ours, ours], [theirs, theirs])
    assert twice.mean == alone.mean == rows.mean
    assert twice.high - twice.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert apart.high - apart.low == pytest.approx(rows.high - rows.low, rel=0.05)
    assert rows.high - rows.low == pytest.approx((alone.high - alone.low) / np.sqrt(2), rel=0.05), "too narrow"
    assert clustered_bootstrap([np.array([NAN])], [np.array([1.0])], [np.array([0])]) is None
    assert clustered_bootstrap([], [], []) is None
    with pytest.raises(ValueError, match="not the same examples"):
        clustered_bootstrap([ours], [theirs], [texts[1:]])


def test_many_pairs_share_draws_and_each_has_the_bounds_that_it_has_alone() -> None:
    """Drawing is most of the work: with 40 pairs it happens once. The bounds differ by what 10,000 draws leave open."""
    generator = np.random.default_rng(3)
    texts = [np.arange(200), np.arange(100, 250)]
    models = [[generator.integers(0, 2, len(own)).astype(float) for own in texts] for _ in range(10)]
    pairs = [*combinations(models, 2)][:40]
    unknown = [np.full(len(own), NAN) for own in texts]
    together = clustered_bootstraps([*pairs, (unknown, models[0])], texts)
    assert together.pop() is None
    for (first, second), found in zip(pairs, together, strict=True):
        alone = clustered_bootstrap(first, second, texts)
        assert found.mean == alone.mean
        assert found.low == pytest.approx(alone.low, abs=0.05 * (alone.high - alone.low))
        assert found.high == pytest.approx(alone.high, abs=0.05 * (alone.high - alone.low))
    assert clustered_bootstraps(pairs[:1], texts) == [clustered_bootstrap(*pairs[0], texts)]


def test_many_pairs_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counted(seed: int) -> np.random.Generator:
        drawn.append(seed)
        return DEFAULT_RNG(seed)

    monkeypatch.setattr(np.random, "default_rng", counted)
    scores = [np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.0])]
    pairs = [(scores, [own[::-1] for own in scores])] * 40
    assert len(clustered_bootstraps(pairs, [np.arange(3), np.arange(2)])) == 40
    assert drawn == [0]
