"""The drop from one model to another on the same examples: its interval, and the tests that belong to it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm, ttest_1samp

from adapter_workbench.workbench.measures.paired_scores import (
    Z,
    chance_of_difference,
    chance_of_loss,
    chance_of_more,
    chance_of_none,
    drop,
    power_to_rule_out,
)

Scores = np.ndarray[Any, np.dtype[np.float64]]


def outcomes(lost: int, gained: int, number: int) -> tuple[Scores, Scores]:
    """Return scores of two models with so many examples that only one of them has right."""
    before, after = np.ones(number), np.ones(number)
    after[:lost] = 0
    before[lost : lost + gained] = 0
    return before, after


def statistic(lost: int, gained: int, number: int, bound: float) -> float:
    """Tango's statistic (1998), where the share that gains is found by maximising the likelihood."""

    def minus_likelihood(share: float) -> float:
        shares = share + bound, share, 1 - 2 * share - bound
        counts = lost, gained, number - lost - gained
        return -sum(count * math.log(max(part, 1e-300)) for count, part in zip(counts, shares, strict=True))

    bounds = max(0.0, -bound), (1 - bound) / 2
    share = minimize_scalar(minus_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    return (lost - gained - number * bound) / math.sqrt(number * (2 * share + bound * (1 - bound)))


@pytest.mark.parametrize(("lost", "gained", "number"), [(12, 2, 50), (3, 9, 100), (5, 0, 40), (30, 10, 400)])
def test_bounds_are_where_the_statistic_has_the_quantile(lost: int, gained: int, number: int) -> None:
    interval = drop(*outcomes(lost, gained, number))
    assert interval.mean == pytest.approx((lost - gained) / number)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low < interval.mean < interval.high
    assert statistic(lost, gained, number, interval.low) == pytest.approx(Z, abs=1e-3)
    assert statistic(lost, gained, number, interval.high) == pytest.approx(-Z, abs=1e-3)
    assert chance_of_more(*outcomes(lost, gained, number), max(interval.low, 0)) == pytest.approx(
        0.025 if interval.low > 0 else norm.sf(statistic(lost, gained, number, 0.0)), abs=1e-4
    )


def test_where_no_answer_changed_the_interval_is_no_point() -> None:
    interval = drop(*outcomes(0, 0, 100))
    assert interval.mean == 0
    # with no change the statistic is −n δ ÷ √(n δ (1 − δ)): its square is Z² at δ = Z² ÷ (n + Z²)
    assert interval.high == pytest.approx(Z**2 / (100 + Z**2))
    assert interval.low == pytest.approx(-(Z**2) / (100 + Z**2))
    assert chance_of_none(*outcomes(0, 0, 100)) == 1


def test_no_drop_is_tested_as_by_mcnemar() -> None:
    z = (12 - 2) / math.sqrt(12 + 2)  # McNemar (1947)
    assert chance_of_none(*outcomes(12, 2, 50)) == pytest.approx(2 * norm.sf(z))
    assert chance_of_none(*outcomes(2, 12, 50)) == pytest.approx(2 * norm.sf(z))


def test_other_scores_are_compared_by_student() -> None:
    generator = np.random.default_rng(0)
    before = generator.uniform(size=60)
    after = before - generator.normal(0.05, 0.1, size=60)
    found, interval = ttest_1samp(before - after, 0.02, alternative="greater"), drop(before, after)
    assert chance_of_more(before, after, 0.02) == pytest.approx(found.pvalue)
    bounds = ttest_1samp(before - after, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == (pytest.approx(bounds.low), pytest.approx(bounds.high))
    assert chance_of_none(before, before) == 1
    assert drop(before[:1], after[:1]).low is None


@pytest.mark.parametrize("bound", [0.0, 0.02, 0.05])
def test_a_drop_of_the_bound_is_seldom_said_to_be_more(bound: float) -> None:
    generator, said = np.random.default_rng(1), []
    for _ in range(1000):
        change = generator.multinomial(1, [0.04 + bound, 0.04, 0.92 - bound], size=200)  # lost, gained, as it was
        before, after = 1.0 - change[:, 1], 1.0 - change[:, 0]
        said.append(chance_of_more(before, after, bound))
    rate = np.mean(np.array(said, dtype=float) < 0.05)
    assert 0.03 <= rate <= 0.066, "1,000 draws have a standard error of 0.7 %"


def test_equal_within_a_margin_is_said_where_the_interval_of_90_percent_lies_within_it() -> None:
    """Schuirmann (1987): the larger of two one-sided p is below 0.05 just where that interval is inside the margin."""
    lost, gained, number = 3, 4, 400
    before, after = outcomes(lost, gained, number)
    critical = norm.ppf(0.95)
    limit = minimize_scalar(
        lambda margin: (statistic(gained, lost, number, margin) + critical) ** 2, bounds=(0.0, 0.2), method="bounded"
    ).x
    assert chance_of_difference(before, after, limit) == pytest.approx(0.05, abs=1e-3)
    assert chance_of_difference(before, after, 2 * limit) < 0.05 < chance_of_difference(before, after, limit / 2)
    assert chance_of_difference(after, before, 0.02) == chance_of_difference(before, after, 0.02)
    assert chance_of_difference(np.ones(1) / 2, np.ones(1), 0.02) is None


def test_a_loss_is_ruled_out_where_the_interval_ends_above_it() -> None:
    before, after = outcomes(20, 22, 1000)
    interval = drop(before, after)
    assert interval.high is not None
    assert chance_of_loss(before, after, interval.high) == pytest.approx(0.025, abs=1e-4)
    assert chance_of_loss(before, after, interval.high + 0.005) < 0.025 < chance_of_loss(before, after, 0.01)


@pytest.mark.parametrize(("changed", "number", "margin"), [(6, 71, 0.02), (30, 300, 0.05), (100, 1000, 0.02)])
def test_power_is_the_share_of_samples_in_which_a_loss_is_ruled_out(changed: int, number: int, margin: float) -> None:
    """Held against drawn samples, in which the shares that the power assumes are lost and gained."""
    before, after = outcomes(changed // 2, changed // 2, number)
    power, share = power_to_rule_out(before, after, margin, 0.025), (changed + 1) / (number + 2)
    generator = np.random.default_rng(0)
    drawn = generator.multinomial(number, [share / 2, share / 2, 1 - share], size=2000)
    ruled_out = [chance_of_loss(*outcomes(int(lost), int(won), number), margin) < 0.025 for lost, won, _ in drawn]
    assert power == pytest.approx(np.mean(ruled_out), abs=0.03)


def test_power_of_very_many_rows_is_that_of_a_normal_mean() -> None:
    before, after = outcomes(2_000, 2_000, 40_000)
    share = 4_001 / 40_002
    wanted = norm.cdf(0.005 * math.sqrt(40_000 / share) - norm.ppf(0.975))
    assert power_to_rule_out(before, after, 0.005, 0.025) == pytest.approx(wanted)
    scores = np.random.default_rng(0).normal(size=(2, 50))
    error = (scores[0] - scores[1]).std(ddof=1) / math.sqrt(50)
    assert power_to_rule_out(*scores, 0.5, 0.025) == pytest.approx(norm.cdf(0.5 / error - norm.ppf(0.975)))
    assert power_to_rule_out(scores[0], scores[0], 0.5) is None
