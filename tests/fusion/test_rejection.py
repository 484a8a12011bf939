"""Which scores are too low: the share of validation texts that is rejected, and that of new texts like them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adapter_workbench.fusion.routing.rejection import Rejection, floors, rejection
from adapter_workbench.workbench.errors import InputError


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("texts", [1, 5, 19, 20, 100, 1000])
def test_no_more_than_the_share_of_the_texts_that_a_task_attracts_is_rejected(share: float, texts: int) -> None:
    generator = np.random.default_rng(texts)
    chosen, scores = generator.integers(0, 2, texts), generator.normal(size=texts)
    scores[chosen == 1] -= 100  # a task whose scores are another's worst
    thresholds = floors(chosen, scores, 3, share)
    assert thresholds[2] == -math.inf, "nothing is known of it"
    for adapter in (0, 1):
        own = scores[chosen == adapter]
        rejected, rank = (own < thresholds[adapter]).sum(), math.floor(share * (len(own) + 1))
        assert rejected == max(rank - 1, 0)
        assert rejected <= share * len(own)


def test_new_texts_like_them_are_rejected_as_rarely() -> None:
    """Over many draws of 99 validation texts and a new one, the rank alone decides: exactly 4 or 5 of 100 places."""
    generator, share, rejected = np.random.default_rng(0), 0.05, 0
    for _ in range(4000):
        scores = generator.standard_cauchy(100)
        rejected += scores[99] < floors(np.zeros(99, int), scores[:99], 1, share)[0]
    assert rejected / 4000 == pytest.approx(share, abs=4 * math.sqrt(share / 4000))


@pytest.mark.parametrize(
    ("least", "share", "message"),
    [
        (0.5, 0.05, "not both"),
        (math.nan, None, "--min-routing-score: "),
        (None, 0.0, "--max-false-rejections: 0 is not between 0 and 1"),
        (None, 1.0, "--max-false-rejections: 1 is not between 0 and 1"),
        (None, math.nan, "--max-false-rejections: nan is not between 0 and 1"),
    ],
)
def test_what_means_nothing_is_refused(least: float | None, share: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rejection(least, share)


def test_nothing_asked_for_rejects_nothing() -> None:
    assert rejection(None, None) is None
    assert rejection(-math.inf, None) == Rejection(least=-math.inf)
