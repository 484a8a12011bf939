"""The tests that a comparison can declare: what each takes to be the spread of a difference of two rows.

``paired``: the spread of the row's own differences from the reference over seeds, S − 1 degrees of freedom.
``pooled``: one residual variance for all rows, (R − 1)(S − 1) degrees of freedom. It supposes that all rows have the
same spread.
``stratified``: where tasks are fitted apart, each task's own spread over seeds, up to T(S − 1) degrees of freedom. It
supposes that what a seed does to one task tells nothing of another.

Rows whose own differences do not support what is supposed are tested paired
(:mod:`adapter_workbench.workbench.measures.assumed_spread`).

Which one is declared before there is a result. Functions of arrays are for simulations and have the seeds on the last
axis; those of sequences are for reports, take what is missing as None, and return :class:`Estimate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from adapter_workbench.workbench.measures.assumed_spread import may_be_assumed
from adapter_workbench.workbench.measures.estimate import Estimate, Moments
from adapter_workbench.workbench.measures.pooled_variance import have_one_spread, row_squares, rows_of_one_spread
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Array

Test = Literal["paired", "pooled", "stratified"]


@dataclass(frozen=True)
class PooledEstimates:
    """Every row's difference from the reference, with one variance for all rows that may share it."""

    # by label, without the reference; None for a row that has fewer than two seeds in common with it
    estimates: dict[str, Estimate | None]
    # rows whose residuals are far larger than those of the rest: these are tested paired, and where the reference is
    # one of them, all are
    taken_out: tuple[str, ...]
    one_spread: bool  # whether the rest may have one spread; where not, all are tested paired


def paired_moments(differences: Array, floor: float = 0.0) -> Moments:
    """Return mean, standard error and S − 1 degrees of freedom of differences (…, S); NaN is left out.

    Args:
        differences: at equal seeds.
        floor: the least standard deviation of a difference.
    """
    number = np.isfinite(differences).sum(-1)
    mean = np.where(np.isfinite(differences), differences, 0.0).sum(-1) / np.maximum(number, 1)
    squares = np.where(np.isfinite(differences), (differences - mean[..., None]) ** 2, 0.0).sum(-1)
    variance = np.maximum(squares / np.maximum(number - 1, 1), floor**2)
    return Moments(mean, np.sqrt(variance / np.maximum(number, 1)), number - 1.0)


class PooledMoments(NamedTuple):
    """Rows − reference as the pooled test sees them, and how it came to that; arrays (…, R) but for ``agree``."""

    moments: Moments  # with difference 0 in the row of the reference
    kept: NDArray[np.bool_]  # rows that were not taken out
    agree: NDArray[np.bool_]  # (…) whether those may have one spread
    pooled: NDArray[np.bool_]  # rows that are tested with the spread of all; the others are tested paired


def pooled_moments(table: Array, reference: int = 0, floor: float = 0.0, level: float = LEVEL) -> PooledMoments:
    """Return the moments of rows − reference in a table (…, R, S).

    Args:
        table: scores.
        reference: a row.
        floor: the least standard deviation of a difference, which has two residuals.
        level: of the test.
    """
    least = floor**2 / 2
    kept = rows_of_one_spread(table, least)
    agree = have_one_spread(table, kept, least)
    squares = row_squares(table, kept)
    paired = paired_moments(table - table[..., [reference], :], floor)
    variance = np.maximum(squares.variance(), least)[..., None]
    error = np.sqrt(2 * variance / np.maximum(paired.freedom + 1, 1))
    assumed = Moments(paired.difference, error, np.broadcast_to(squares.total_freedom[..., None], error.shape))
    shared = kept & kept[..., [reference]] & (agree & (squares.total_freedom > 0))[..., None]
    compared = shared & (np.arange(table.shape[-2]) != reference)
    use = may_be_assumed(assumed, paired, compared, level)
    return PooledMoments(_chosen(use, assumed, paired), kept, agree, use)


def _chosen(use: NDArray[np.bool_], assumed: Moments, own: Moments) -> Moments:
    """Return the difference with the assumed error where it is used, and with its own elsewhere."""
    pairs = ((assumed.error, own.error), (assumed.freedom, own.freedom))
    return Moments(own.difference, *(np.where(use, first, second) for first, second in pairs))


def stratified_moments(differences: Array, floors: Array | float = 0.0) -> Moments:
    """Return the moments of the mean over tasks of differences (…, T, S) whose tasks were fitted apart.

    The mean has variance Σ s_t² ÷ S ÷ T², s_t² each task's own over seeds. Its degrees of freedom are those of Welch
    (1947), (Σ v)² ÷ Σ (v² ÷ (ν + 2)) − 2 with v = s_t² ÷ S and ν = S − 1: T(S − 1) where the tasks' spreads are
    equal, fewer where one of them dominates.

    Args:
        differences: at equal seeds; NaN is left out.
        floors: the least standard deviation of a difference in each task, (T,).
    """
    by_task = paired_moments(differences)
    number = by_task.freedom + 1
    variances = np.maximum(by_task.error**2, np.asarray(floors) ** 2 / np.maximum(number, 1))  # (…, T)
    fourth = (variances**2 / (by_task.freedom + 2)).sum(-1)
    welch = variances.sum(-1) ** 2 / np.where(fourth > 0, fourth, 1.0) - 2
    freedom = np.clip(welch, by_task.freedom.min(-1), by_task.freedom.sum(-1))
    return Moments(by_task.difference.mean(-1), np.sqrt(variances.sum(-1)) / variances.shape[-1], freedom)


def checked_stratified_moments(differences: Array, floors: Array | float = 0.0, level: float = LEVEL) -> Moments:
    """Return the moments (…, R) of rows of differences (…, R, T, S): stratified where the rows support it, else paired.

    Args:
        differences: at equal seeds, of rows that are compared with one reference.
        floors: as of :func:`stratified_moments`.
        level: of the test.
    """
    assumed, own = stratified_moments(differences, floors), paired_moments(differences.mean(-2))
    return _chosen(may_be_assumed(assumed, own, level=level), assumed, own)


def paired(differences: Sequence[float | None], floor: float | None = None) -> Estimate | None:
    """Return the paired estimate (Student, 1908) of differences at equal seeds; None for fewer than two.

    Args:
        differences: one a seed.
        floor: the least standard deviation of a difference (:func:`least_spread`).
            None: not known; equal differences then have no standard error.
    """
    present = _array(differences)
    present = present[np.isfinite(present)]
    return None if len(present) < 2 else _estimate("paired", paired_moments(present, floor or 0.0), present)


def pooled(
    scores: Mapping[str, Sequence[float | None]], reference: str, floor: float | None = None, level: float = LEVEL
) -> PooledEstimates:
    """Return every row − the reference with the residual variance of rows × seeds.

    Args:
        scores: by label, one a seed, for the same seeds in the same order.
        reference: one of the labels.
        floor: the least standard deviation of a difference; None: not known.
        level: of the test.

    Raises:
        KeyError: the reference is none of the labels.
    """
    labels, table = [*scores], np.stack([_array(row) for row in scores.values()])
    base = labels.index(reference) if reference in scores else None
    if base is None:
        raise KeyError(reference)
    seen = pooled_moments(table, base, floor or 0.0, level)
    estimates: dict[str, Estimate | None] = {}
    for row, label in enumerate(labels):
        if row == base:
            continue
        differences = table[row] - table[base]
        present = differences[np.isfinite(differences)]
        test: Test = "pooled" if seen.pooled[row] else "paired"
        own = Moments(*(part[row] for part in seen.moments))
        estimates[label] = None if len(present) < 2 else _estimate(test, own, present)
    apart = tuple(label for row, label in enumerate(labels) if not seen.kept[row] and np.isfinite(table[row]).any())
    return PooledEstimates(estimates, apart, bool(seen.agree))


def stratified(differences: Sequence[Sequence[float | None]], floors: Sequence[float] = ()) -> Estimate | None:
    """Return the estimate of the mean over tasks of differences whose tasks were fitted apart.

    Args:
        differences: for each task one a seed.
        floors: the least standard deviation of a difference in each task; none where it is not known.

    Returns:
        None where there is no task, or one has fewer than two differences.
    """
    if not differences:
        return None
    table = np.stack([_array(task) for task in differences])
    if np.isfinite(table).sum(-1).min() < 2:
        return None
    moments = stratified_moments(table, np.asarray(floors) if floors else 0.0)
    return _estimate("stratified", moments, table[np.isfinite(table)])


def supported(
    assumed: Mapping[str, Estimate], own: Mapping[str, Estimate], level: float = LEVEL
) -> dict[str, Estimate]:
    """Return by label the assumed estimate where the paired ones of the same rows support it, else the paired one.

    Args:
        assumed: estimates of rows that are compared with one reference.
        own: the paired estimates, at least of the same rows.
        level: of the test.
    """
    if not assumed:
        return {}
    taken, paired_ones = ([of[label].moments for label in assumed] for of in (assumed, own))
    use = may_be_assumed(_together(taken), _together(paired_ones), level=level)
    return {label: assumed[label] if yes else own[label] for label, yes in zip(assumed, use, strict=True)}


def _together(rows: Sequence[Moments]) -> Moments:
    return Moments(*map(np.array, zip(*rows, strict=True)))


def _array(values: Sequence[float | None]) -> Array:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _estimate(test: Test, moments: Moments, values: Array) -> Estimate:
    difference, error, freedom = (float(part) for part in moments)
    return Estimate(difference, error, freedom, test, tuple(values.tolist()))
