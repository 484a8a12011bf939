"""A spread that a test assumes is taken only where a row's own differences support it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from adapter_workbench.workbench.measures.assumed_spread import may_be_assumed
from adapter_workbench.workbench.measures.estimate import Moments
from adapter_workbench.workbench.measures.near_bounds import equal_near_bounds


def moments(error: list[float], freedom: float) -> Moments:
    return Moments(np.zeros(len(error)), np.array(error), np.full(len(error), freedom))


@pytest.mark.parametrize(("level", "chance"), [(0.05, 0.5), (0.012, 0.7)])
def test_one_row_is_asked_by_an_f_test(level: float, chance: float) -> None:
    edge = np.sqrt(stats.f.isf(chance, 2, 20))
    for factor, supported in ((0.999, True), (1.001, False)):
        own = moments([edge * factor], 2)
        assert may_be_assumed(moments([1.0], 20), own, level=level).tolist() == [supported]


def test_all_rows_are_asked_together_too() -> None:
    small, assumed = 0.5, moments([1.0] * 4, 20)
    assert may_be_assumed(assumed, moments([small] * 4, 2)).tolist() == [True] * 4
    assert may_be_assumed(assumed, moments([small, 1.5, 1.5, 1.5], 2)).tolist() == [False] * 4
    edge = np.sqrt(4 * stats.f.isf(0.5, 5, 80) - 3 * small**2)  # (S − 1)(R + 1) ÷ 2 degrees of four rows with S = 3
    assert may_be_assumed(assumed, moments([small] * 3 + [edge * 0.999], 2)).tolist() == [True] * 3 + [False]
    assert may_be_assumed(assumed, moments([small] * 3 + [edge * 1.001], 2)).tolist() == [False] * 4


def test_rows_that_are_no_candidates_are_not_asked() -> None:
    candidates = np.array([True, True, False])
    own = moments([0.5, 0.5, 9.0], 2)
    assert may_be_assumed(moments([1.0] * 3, 20), own, candidates).tolist() == [True, True, False]


def test_one_test_by_two_names_is_supported() -> None:
    """Of two rows the pooled variance is the paired one, and that of one task is its own."""
    own = moments([0.7], 2)
    assert may_be_assumed(own, own, level=0.003).tolist() == [True]
    assert may_be_assumed(moments([0.0], 2), moments([0.0], 2)).tolist() == [True], "no spread at all"


def test_the_binomial_spread_counts_near_a_bound_alone() -> None:
    p = equal_near_bounds(np.array([0.01, 0.99, 0.5]), np.array([0.02, 0.98, 0.51]), 0.05, 1 / 200)
    variance = (0.05 * 0.95 + 0.0) / 200
    assert p[0] == pytest.approx(stats.norm.cdf(-0.04 / np.sqrt(variance)))
    assert p[1] == pytest.approx(p[0]), "near 1 as near 0"
    assert p[2] == 0.0
