"""One residual variance for all rows of a comparison: the block design rows × seeds, and rows that do not fit in it.

A score is Y[r, s] = μ[r] + β[s] + ε[r, s]: a row's mean, what a seed does to all rows alike (its sample of the training
data), and a residual. Arrays are (…, R, S), R rows and S seeds, NaN where a score is missing; what is missing is the
same over all leading axes. Seeds that the same rows have form a block of their own with effects of its own, so that
residuals are exact where some rows went on to more seeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adapter_workbench.workbench.measures.statistics import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Array

ANOTHER_SPREAD = 0.05  # chance that a row is taken out although all rows have the same spread
SEVERAL_SPREADS = 0.1  # chance that the remaining rows are said to have several spreads although they have one
TINY = ROUNDING**2  # a variance below this is what floating point leaves of equal scores


class RowSquares(NamedTuple):
    """Sums of squares of a block design, of the rows that are kept."""

    rows: Array  # (…, R) of each row's contrast with the mean of the others; 0 for a row that is not kept
    rows_freedom: Array  # (…, R) degrees of freedom of each
    total: Array  # (…) of all residuals
    total_freedom: Array  # (…) degrees of freedom of these

    def variance(self) -> Array:
        """Return the residual variance (…); 0 where there are no degrees of freedom."""
        return np.asarray(self.total / np.maximum(self.total_freedom, 1))


def row_squares(table: Array, kept: NDArray[np.bool_]) -> RowSquares:
    """Return the sums of squares of the rows of ``table`` (…, R, S) that are ``kept`` (…, R).

    The contrast of row r with the mean of the other n − 1 has, with the residuals e of the additive fit, the sum of
    squares n ÷ (n − 1) Σ_s e[r, s]². It is independent of what the fit without row r leaves, which is the rest of the
    total: their ratio is exactly F where all rows have the same spread.
    """
    rows, rows_freedom = np.zeros(kept.shape), np.zeros(kept.shape)
    total, total_freedom = np.zeros(kept.shape[:-1]), np.zeros(kept.shape[:-1])
    for members, seeds in _blocks(np.isfinite(table)):
        scores, weight = table[..., members, :][..., seeds], kept[..., members]
        number = weight.sum(-1)  # (…) kept rows of the block
        centred = scores - scores.mean(-1, keepdims=True)
        seed_effects = (centred * weight[..., None]).sum(-2) / np.maximum(number, 1)[..., None]  # (…, S)
        squares = (((centred - seed_effects[..., None, :]) * weight[..., None]) ** 2).sum(-1)  # (…, R)
        total += squares.sum(-1)
        total_freedom += np.maximum(number - 1, 0) * (len(seeds) - 1)
        rows[..., members] += squares * (number / np.maximum(number - 1, 1))[..., None]
        rows_freedom[..., members] += weight * (number > 1)[..., None] * (len(seeds) - 1)
    return RowSquares(rows, rows_freedom, total, total_freedom)


def _blocks(present: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield rows and seeds of each complete block: seeds that the same rows have; at least two of both."""
    cells = present.reshape(-1, *present.shape[-2:]).all(axis=0)  # (R, S)
    patterns, belongs = np.unique(cells, axis=1, return_inverse=True)
    for index, pattern in enumerate(patterns.T):
        rows, seeds = np.flatnonzero(pattern), np.flatnonzero(belongs.ravel() == index)
        if len(rows) > 1 and len(seeds) > 1:
            yield rows, seeds


def rows_of_one_spread(table: Array, least: float = 0.0, level: float = ANOTHER_SPREAD) -> NDArray[np.bool_]:
    """Return which rows (…, R) stay when rows with far larger residuals are taken out, the largest first.

    A row goes where the F test of its contrast against the rest is below ``level`` ÷ rows. Two rows always stay: what
    they have is one difference, whose spread belongs to neither.

    Args:
        table: scores (…, R, S).
        least: no residual variance is taken to be smaller.
        level: chance that any row goes although all have the same spread.
    """
    from scipy.special import fdtrc

    kept = np.broadcast_to(np.isfinite(table).any(-1), table.shape[:-1]).copy()
    for _ in range(table.shape[-2] - 2):
        squares, number = row_squares(table, kept), kept.sum(-1)
        rest_freedom = squares.total_freedom[..., None] - squares.rows_freedom  # (…, R)
        testable = (squares.rows_freedom > 0) & (rest_freedom > 0) & kept
        own = squares.rows / np.maximum(squares.rows_freedom, 1)
        rest = np.maximum(squares.total[..., None] - squares.rows, 0) / np.maximum(rest_freedom, 1)
        ratio = np.maximum(own, least) / np.maximum(rest, max(least, TINY))
        p = np.where(testable, fdtrc(np.maximum(squares.rows_freedom, 1), np.maximum(rest_freedom, 1), ratio), 1.0)
        out = (p.min(-1) * number < level) & (number > 2)
        if not out.any():
            break
        kept &= ~(out[..., None] & (np.arange(p.shape[-1]) == p.argmin(-1)[..., None]))
    return kept


def have_one_spread(
    table: Array, kept: NDArray[np.bool_], least: float = 0.0, level: float = SEVERAL_SPREADS
) -> NDArray[np.bool_]:
    """Return (…) whether the kept rows may all have the same residual variance, by Bartlett's test (1937).

    The contrasts are slightly correlated, by −1 ÷ (n − 1) before squaring; the test then says "several" a little more
    rarely than ``level``.
    """
    from scipy.special import chdtrc

    squares = row_squares(table, kept)
    freedom = np.where(kept, squares.rows_freedom, 0.0)
    tested = freedom > 0
    number, whole = tested.sum(-1), freedom.sum(-1)
    own = np.maximum(squares.rows / np.maximum(freedom, 1), max(least, TINY))
    shared = np.maximum((freedom * own).sum(-1) / np.maximum(whole, 1), max(least, TINY))
    statistic = whole * np.log(shared) - (freedom * np.log(own)).sum(-1)
    inverse = np.where(tested, 1 / np.maximum(freedom, 1), 0.0).sum(-1) - 1 / np.maximum(whole, 1)
    correction = 1 + inverse / (3 * np.maximum(number - 1, 1))
    return np.asarray((number < 3) | (chdtrc(np.maximum(number - 1, 1), statistic / correction) >= level))
