"""How finely a score can be told: it moves in steps of one test example, and so does a difference of two scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def score_step(test_sizes: Iterable[int], averaged: int | None = None) -> float | None:
    """Return by how much one test example changes a mean of scores: 1 ÷ (T · n), of the T tasks the largest with n.

    A score that is a share of n answers moves in steps of 1 ÷ n. For tasks of unequal size it is the smallest step; for
    scores that are no shares of right answers (F1, a correlation) it stands in for theirs.

    Args:
        test_sizes: how many test examples each task has.
        averaged: over how many scores the mean is taken, where not over all tasks: T − 1 for forgetting.

    Returns:
        None where there is no task, or one without test examples.
    """
    sizes = [*test_sizes]
    count = len(sizes) if averaged is None else averaged
    return 1 / (count * max(sizes)) if sizes and min(sizes) > 0 and count > 0 else None


def least_spread(step: float | None) -> float | None:
    """Return the smallest standard deviation that numbers on a grid can be said to have: step ÷ √12.

    Rounding to a grid adds an error with this standard deviation (Sheppard, 1898). Two equal differences are thus two
    numbers that differ by less than a step, and no proof that there is no spread. None where the step is not known.
    """
    return None if step is None else step / math.sqrt(12)


def step_of(spread: float) -> float:
    """Return the step of which :func:`least_spread` is this one."""
    return spread * math.sqrt(12)
