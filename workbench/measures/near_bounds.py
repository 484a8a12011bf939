"""Whether two scores near 0 or 1 are equal within a margin: a spread that is small by chance does not say so.

A share of right answers has little spread near its bounds, and the less the nearer: of scores whose mean is 5 %, a few
that are low by chance lie close together too, so that a t-test calls them equal to 0 within 5 points too often. The
spread under the hypothesis that is to be refuted, that the difference is the margin, is at least what answers that are
right or wrong by chance have. Equality is asked of both tests (Farrington & Manning, 1990, for that of two shares).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from adapter_workbench.workbench.measures.statistics import Array


def equal_near_bounds(first: Array | float, second: Array | float, margin: float, step: float) -> Array:
    """Return the p of |first − second| ≥ ``margin`` by the binomial spread; 0 where neither is near a bound.

    A score is near a bound where it is less than the margin from it. Where the difference is the margin, two scores
    with this middle are l and l + margin, and the variance of their difference is at most
    (l(1 − l) + (l + margin)(1 − l − margin)) · ``step``.

    Args:
        first: mean scores in [0, 1], (…).
        second: the same of what they are compared with.
        margin: as a share, in (0, 1).
        step: by how much one answer changes a mean: 1 ÷ n of n answers, of one task or of several tasks of equal size.
    """
    from scipy.special import ndtr

    middle, gap = (np.asarray(first) + second) / 2, np.abs(np.asarray(first) - second)
    low = np.clip(middle - margin / 2, 0.0, 1 - margin)
    high = low + margin
    error = np.sqrt((low * (1 - low) + high * (1 - high)) * step)
    lowest, highest = np.minimum(first, second), np.maximum(first, second)
    is_near = (lowest < margin) | (highest > 1 - margin)
    return np.asarray(np.where(is_near, ndtr((gap - margin) / error), 0.0))
