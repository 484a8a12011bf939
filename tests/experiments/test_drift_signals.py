"""Signals of drift at small levels: a permutation test deals so often that it can find something."""

from __future__ import annotations

import numpy as np
import pytest

from adapter_workbench.experiments.answers.drift.bounds import LEAST_LEVEL, LEVEL, DriftBounds
from adapter_workbench.experiments.answers.drift.sample import Sample
from adapter_workbench.experiments.answers.drift.signals import NAMES, Signal, compare, deals_at, with_adjusted
from adapter_workbench.workbench.measures.relabelled_samples import (
    FEW_RESAMPLES,
    RESAMPLES,
    contrasts,
    counts_moved,
    shares_moved,
    values_moved,
    vectors_moved,
)


def sample(label: str, at: float, seed: int) -> Sample:
    """Return 60 rows that all get this answer, whose features lie around a point."""
    features = np.random.default_rng(seed).normal(at, 0.1, (60, 3)).astype(np.float32)
    confidence = np.full(60, 0.9)
    return Sample([label] * 60, confidence, features, nearest=np.zeros(60, dtype=np.float32), elsewhere=None)


@pytest.mark.parametrize("level", [LEVEL, 0.01, LEAST_LEVEL])
def test_rows_that_have_nothing_in_common_are_beyond_at_each_level(level: float) -> None:
    signals = compare(sample("a", 0.0, 1), sample("b", 5.0, 2), ["a", "b"], DriftBounds(level))
    assert {signal.name for signal in signals if signal.beyond} == {"answers", "features"}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_the_effect_is_the_share_of_rows_that_are_others(share: float) -> None:
    """A closed form: rows that differ in everything move a share of a label, a value or a place by just their share."""
    generator = np.random.default_rng(0)
    old, new = generator.normal(0, 1, (2, 400, 3)).astype(np.float32)
    foreign = np.arange(400) < 400 * share
    dealt = contrasts(400, 400)
    has = np.stack([~np.concatenate([foreign & False, foreign]), np.concatenate([foreign & False, foreign])], axis=1)
    values = np.concatenate([old[:, 0], np.where(foreign, 100, new[:, 0])])
    vectors = new + np.where(foreign, 100, 0)[:, None].astype(np.float32)
    assert shares_moved(dealt, has) == pytest.approx(share, abs=0.04)
    assert values_moved(dealt, values) == pytest.approx(share, abs=0.06)
    assert vectors_moved(old, vectors) == pytest.approx(share, abs=0.1), "chance is subtracted, so it is low"
    assert counts_moved(has[:400].sum(axis=0), has[400:].sum(axis=0)) == pytest.approx(share, abs=0.04)


def test_an_effect_looks_at_a_few_deals_however_many_there_are() -> None:
    """Only a mean over deals is wanted: thousands of deals of thousands of values take hundreds of megabytes."""
    generator = np.random.default_rng(0)
    values, has = generator.normal(0, 1, 90), generator.random((90, 3)) < 0.5
    values[60:] += 2
    has[60:, 0] = True
    dealt = contrasts(60, 30, deals_at(0.01))
    few = dealt[: 1 + FEW_RESAMPLES]
    assert values_moved(dealt, values) == values_moved(few, values) > 0.5
    assert shares_moved(dealt, has) == shares_moved(few, has) > 0.2
    one_label = np.eye(3, dtype=bool)[has[:, 0].astype(int)]
    before, after = one_label[:60].sum(axis=0), one_label[60:].sum(axis=0)
    assert counts_moved(before, after) == pytest.approx(shares_moved(dealt, one_label), abs=0.03)


def test_the_smallest_p_is_below_each_level_with_all_signals() -> None:
    assert deals_at(LEVEL) == RESAMPLES, "what the default level says does not change"
    for level in np.geomspace(LEAST_LEVEL, 0.9, 50):
        smallest = 1 / (1 + deals_at(level))
        signals = [Signal(NAMES[0], None, None, smallest), *(Signal(name, None, None, 1.0) for name in NAMES[1:])]
        assert with_adjusted(signals, level)[0].beyond, level
