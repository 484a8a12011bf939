"""Whether a spread that a test takes from elsewhere may be a row's own, by the row's own differences.

The pooled test takes the spread of a difference from all rows, the stratified one from the tasks, one by one. Where
rows have several spreads, or the tasks of a seed move together, that is too small. The paired variance of the row's own
differences needs neither assumption, so its ratio to the assumed one tells. With three seeds it tells little: a row
that is four times as variable is within what chance does in most cases. So the assumed spread is taken only where the
ratio is at most what it is in every second case if the assumption holds, in the row and over all rows together. Else
the row is tested paired. Which chance is asked was chosen by simulation (``python -m bench.scores_that_occur``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.workbench.measures.statistics import ROUNDING
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.estimate import Moments
    from adapter_workbench.workbench.measures.statistics import Array

OF_ALL_ROWS = 0.5  # least chance of a larger ratio over all rows
OF_A_ROW = 0.5  # least chance of a larger ratio in the row
OF_A_ROW_AT_A_LOOK = 0.7  # the same at a level below 5 %, at which a spread that is too small errs more


def may_be_assumed(
    assumed: Moments, own: Moments, candidates: NDArray[np.bool_] | None = None, level: float = LEVEL
) -> NDArray[np.bool_]:
    """Return which rows (…, R) may be tested with the assumed spread; the others are tested paired.

    The ratio own² ÷ assumed² of a row is compared with F, S − 1 and the assumed degrees of freedom. That of all rows is
    the ratio of the sums, with (S − 1)(R + 1) ÷ 2 degrees of freedom: the rows share the reference.

    Args:
        assumed: with the spread that is taken from elsewhere, (…, R).
        own: paired, (…, R).
        candidates: the rows that are asked about, (…, R); None: all.
        level: of the test.
    """
    assumed_error, own_error, own_freedom, freedom = np.broadcast_arrays(
        assumed.error, own.error, np.maximum(own.freedom, 1.0), np.maximum(assumed.freedom, 1.0)
    )
    rows = np.ones(own_error.shape, dtype=bool) if candidates is None else candidates
    number = rows.sum(-1)
    sums = [np.where(rows, part, 0.0).sum(-1) for part in (own_error**2, assumed_error**2, own_freedom, freedom)]
    shared = sums[2] / np.maximum(number, 1) * (number + 1) / 2
    same = (freedom <= own_freedom) & (np.abs(own_error - assumed_error) <= ROUNDING)  # two rows, one task: one test
    in_row = np.where(same, 1.0, _chance(own_freedom, freedom, own_error**2, assumed_error**2))
    in_all = _chance(np.maximum(shared, 1.0), np.maximum(sums[3], 1.0), sums[0], sums[1])
    least = OF_A_ROW if level >= LEVEL else OF_A_ROW_AT_A_LOOK
    return np.asarray(rows & (in_row >= least - ROUNDING) & (in_all >= OF_ALL_ROWS - ROUNDING)[..., None])


def _chance(freedom: Array, assumed_freedom: Array, own: Array, assumed: Array) -> Array:
    """Return the chance of a larger ratio of two variances; 1 where neither has any."""
    from scipy.special import fdtrc

    return np.asarray(fdtrc(freedom, assumed_freedom, own / np.maximum(assumed, ROUNDING**2)))
