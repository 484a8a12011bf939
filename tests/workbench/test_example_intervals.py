"""Intervals over examples, beside scipy's and a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from adapter_workbench.workbench.measures.example_intervals import bootstrap, wilson


@pytest.mark.parametrize(("hits", "number"), [(0, 5), (5, 5), (37, 40), (1, 1), (500, 1000)])
def test_the_interval_of_a_share_is_that_of_scipy(hits: int, number: int) -> None:
    expected = binomtest(hits, number).proportion_ci(method="wilson")
    actual = wilson(hits, number)
    assert (actual.mean, actual.low, actual.high) == pytest.approx((hits / number, expected.low, expected.high))


def test_a_bootstrap_of_a_mean_is_as_wide_as_its_standard_error_says() -> None:
    values = np.random.default_rng(0).normal(2, 3, 400)
    sums = np.stack([values, np.ones_like(values)], axis=1)
    actual = bootstrap(sums, np.ones(400, dtype=np.int64), lambda drawn: np.asarray(drawn[:, 0] / drawn[:, 1]))
    assert actual.mean == pytest.approx(values.mean())
    assert actual.low is not None
    assert actual.high is not None
    assert actual.high - actual.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_equal_examples_can_be_counted_together() -> None:
    def mean(drawn: np.ndarray) -> np.ndarray:
        return np.asarray(drawn[:, 0] / drawn[:, 1])

    together = bootstrap(np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([30, 10]), mean)
    assert together.mean == 0.75
    assert (together.low, together.high) == pytest.approx((0.615, 0.885), abs=0.02), "0.75 ± 1.96 √(0.75 · 0.25 ÷ 40)"
    assert bootstrap(np.array([[1.0, 0.0]]), np.array([3]), lambda drawn: drawn[:, 1] * np.nan).mean is None
