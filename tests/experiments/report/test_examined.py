"""What an examination says of a task, of one run of training and of several."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from adapter_workbench.experiments.reporting.examples import PairedOutcomes
from adapter_workbench.experiments.studies.stream.results.examined import change_over
from adapter_workbench.workbench.measures.granularity import least_spread, score_step
from adapter_workbench.workbench.measures.paired_scores import chance_of_none
from adapter_workbench.workbench.measures.statistics import Array, Interval

ROWS = 800
FLOOR = least_spread(score_step([ROWS]))


def outcomes(*gained: int) -> PairedOutcomes:
    """Return right answers, seed by seed: half of the rows at first, then so many more or, below 0, fewer."""
    first = np.repeat([[1.0, 0.0]], ROWS // 2, axis=1).repeat(len(gained), axis=0)  # (S, n): right first, then wrong
    last = first.copy()
    for row, number in zip(last, gained, strict=True):
        row[ROWS // 2 : ROWS // 2 + max(number, 0)] = 1.0
        row[: max(-number, 0)] = 0.0
    return PairedOutcomes(np.arange(ROWS).astype(object), first, last)


def gains(of: PairedOutcomes) -> Array:
    """Return last − first of each seed, (S,)."""
    means: Array = (of.second - of.first).mean(1)
    return means


def result_of(of: PairedOutcomes) -> tuple[Interval, float]:
    """Return the change over the seeds of ``of`` and its p."""
    change, p = change_over([*gains(of)], of, FLOOR)
    assert p is not None
    return change, p


def test_two_seeds_that_disagree_are_undecided() -> None:
    """10 points up and 2 down: as one run with the mean of both answers this would be a gain of 4 beyond chance."""
    of = outcomes(80, -16)
    change, p = result_of(of)
    alone = ttest_1samp(gains(of), 0.0).pvalue
    assert p == pytest.approx(alone, abs=0.02), "the few rows add little to what the seeds say"
    assert change.holds_zero
    assert change.mean == pytest.approx(0.04)
    assert chance_of_none(*of.mean_over_seeds) < 1e-6  # type: ignore[operator]


def test_seeds_that_agree_are_told_and_one_seed_is_tested_over_rows() -> None:
    change, p = result_of(outcomes(80, 84, 88))
    assert p < 0.01
    assert not change.holds_zero
    one = outcomes(80)
    assert result_of(one)[1] == chance_of_none(one.first[0], one.second[0])


def test_two_seeds_find_no_change_more_seldom_than_the_level_says() -> None:
    """Trainings whose true changes are spread by 4 points about none, 800 rows of which a tenth change by chance."""
    random, drawn = np.random.default_rng(0), 300
    alarms = 0
    for _ in range(drawn):
        shares = np.clip(0.05 + np.outer([-1, 1], random.normal(0.0, 0.02, 2)), 0.0, 1.0)  # (lost or gained, S)
        counts = random.binomial(ROWS // 2, 2 * np.clip(shares, 0.0, 0.5))
        of = outcomes(0, 0)
        for seed, (lost, gained) in enumerate(counts.T):
            right = random.permutation(ROWS // 2)
            of.second[seed, right[:lost]] = 0.0
            of.second[seed, ROWS // 2 + random.permutation(ROWS // 2)[:gained]] = 1.0
        alarms += result_of(of)[1] < 0.05
    assert alarms / drawn < 0.05 + 2 * np.sqrt(0.05 * 0.95 / drawn)


def test_without_examples_several_seeds_are_tested_alone() -> None:
    change, p = change_over([0.02, 0.05, 0.03], None, FLOOR)
    assert p == pytest.approx(ttest_1samp([0.02, 0.05, 0.03], 0.0).pvalue)
    assert change.low is not None
    assert change_over([0.02], None, FLOOR) == (Interval(0.02, None, None), None)
