"""Forgetting and its companions: pure functions, accuracy matrix in, named metrics out.

``R`` is a float array of shape (T + 1, T): ``R[i, j - 1]`` is the score in [0, 1] on task j's test split after stage i,
stage 0 being before any task. NaN marks a cell that was not measured. A metric that needs such a cell, or a baseline
that is not there, is ``None``: never 0, and never a mean over the cells that happen to be present.

A task counts from the stage that learned it, stage j for task j. Of checkpoints that were trained elsewhere nobody says
which learned what: all tasks count from stage 0, and R has as many rows as there are checkpoints. ``since`` (T,) is
that stage for each task where it is not j. T is the last stage in all formulas, and "j < T" are the tasks that count
from an earlier stage than that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adapter_workbench.workbench.measures.statistics import Array, finite, mean_of

if TYPE_CHECKING:
    from collections.abc import Callable

Since: TypeAlias = NDArray[np.int64] | None


def average_accuracy(matrix: Array) -> float | None:
    """Return mean over j of R[T, j] for R (T + 1, T): ACC, equation 2 of Lopez-Paz & Ranzato (2017)."""
    return mean_of(matrix[-1])


def average_accuracy_micro(matrix: Array, test_sizes: Array) -> float | None:
    """Return Σ n_j R[T, j] / Σ n_j for R (T + 1, T) and n (T,) test examples: each example counts once."""
    total = math.fsum(test_sizes)
    return finite(math.fsum(matrix[-1] * test_sizes) / total) if total > 0 else None


def learning_accuracy(matrix: Array, since: Since = None) -> float | None:
    """Return mean over j of R[j, j] for R (T + 1, T): LA of Riemer et al. (2019), how well each task was learned."""
    return mean_of(_diagonal(matrix, since))


def backward_transfer(matrix: Array, since: Since = None) -> float | None:
    """Return mean over j < T of R[T, j] − R[j, j]: BWT, equation 3 of Lopez-Paz & Ranzato (2017); None for T = 1."""
    return mean_of((matrix[-1] - _diagonal(matrix, since))[_earlier(matrix, since)])


def forgetting(matrix: Array, since: Since = None) -> float | None:
    """Return mean over j < T of (max over j ≤ i < T of R[i, j]) − R[T, j]; None for T = 1.

    Chaudhry et al. (2018), equation 3, the maximum taken over the stages since task j was learned. It is negative where
    later tasks helped, since the last row is not among those the maximum is taken over.
    """
    return mean_of(forgetting_by_task(matrix, since))


def forgetting_by_task(matrix: Array, since: Since = None) -> Array:
    """Return (max over j ≤ i < T of R[i, j]) − R[T, j] for j = 1..T − 1, the terms of :func:`forgetting`.

    NaN where a cell of the range was not measured.
    """
    lost: Array = _best_before_last(matrix, since) - matrix[-1, _earlier(matrix, since)]
    return lost


def relative_forgetting(matrix: Array, majority: Array, since: Since = None) -> float | None:
    """Return mean over j < T of (best_j − R[T, j]) / (best_j − M[j]): the drop as a share of what had been gained.

    ``best_j`` is the maximum of :func:`forgetting`, M (T,) the majority-class scores. None where a denominator is ≤ 0:
    nothing had been gained on that task. After relative feature forgetting (Hess et al., 2023).
    """
    best, earlier = _best_before_last(matrix, since), _earlier(matrix, since)
    gained = best - majority[earlier]
    if not np.all(gained > 0):  # also where it is NaN
        return None
    return mean_of((best - matrix[-1, earlier]) / gained)


def forward_transfer(matrix: Array, since: Since = None) -> float | None:
    """Return mean over j > 1 of R[j − 1, j] − R[0, j]: FWT, equation 4 of Lopez-Paz & Ranzato (2017).

    Row 0 takes the place of their score at random initialisation. None for T = 1, and where task j cannot be answered
    before stage j (it has no head yet), because then those cells were not measured.
    """
    stages = _since(matrix, since)
    later = np.flatnonzero(stages > 1)
    return mean_of(matrix[stages[later] - 1, later] - matrix[0, later])


def transfer_gain(matrix: Array, single: Array, since: Since = None) -> float | None:
    """Return mean over j of R[j, j] − S[j], S (T,) the scores of one model for each task: did the stream help?"""
    return mean_of(_diagonal(matrix, since) - single)


def intransigence(matrix: Array, joint: Array, since: Since = None) -> float | None:
    """Return mean over j of J[j] − R[j, j], J (T,) the scores of one model that learned all T tasks jointly.

    After Chaudhry et al. (2018), definition 3, whose reference for task j is trained on tasks 1 … j alone: a model for
    each j. Here the reference of an early task has learned the later ones too.
    """
    return mean_of(joint - _diagonal(matrix, since))


@dataclass(frozen=True)
class Stream:
    """What the metrics of one strategy with one seed are computed from.

    Attributes:
        matrix: R (T + 1, T); of checkpoints, a row for each.
        test_sizes: examples in each test split (T,).
        majority: M (T,), the majority-class score of each task.
        single: S (T,), one model for each task alone; None where no such models were trained.
        joint: J (T,), joint training; None where there was none.
        since: from which stage each task counts (T,); None: task j from stage j.
    """

    matrix: Array
    test_sizes: Array
    majority: Array
    single: Array | None = None
    joint: Array | None = None
    since: Since = None

    def until(self, stage: int) -> Stream:
        """Return the stream as it stood after ``stage``: of the tasks that count from then on or before."""
        shown = _since(self.matrix, self.since) <= stage
        single, joint = (None if row is None else row[shown] for row in (self.single, self.joint))
        since = None if self.since is None else self.since[shown]
        matrix = self.matrix[: stage + 1, shown]
        return Stream(matrix, self.test_sizes[shown], self.majority[shown], single, joint, since)


@dataclass(frozen=True)
class Metric:
    """One named metric: its exact formula, which way is better, and how it is computed."""

    name: str
    formula: str
    better: Literal["higher", "lower"]
    compute: Callable[[Stream], float | None]


METRICS: tuple[Metric, ...] = (
    Metric("average_accuracy", "mean over j of R[T, j]", "higher", lambda s: average_accuracy(s.matrix)),
    Metric(
        "average_accuracy_micro",
        "Σ n[j] · R[T, j] ÷ Σ n[j], n[j] test examples of task j",
        "higher",
        lambda s: average_accuracy_micro(s.matrix, s.test_sizes),
    ),
    Metric("learning_accuracy", "mean over j of R[j, j]", "higher", lambda s: learning_accuracy(s.matrix, s.since)),
    Metric(
        "backward_transfer",
        "mean over j<T of R[T, j] − R[j, j]",
        "higher",
        lambda s: backward_transfer(s.matrix, s.since),
    ),
    Metric(
        "forgetting",
        "mean over j<T of (max over j≤i<T of R[i, j]) − R[T, j]; may be negative",
        "lower",
        lambda s: forgetting(s.matrix, s.since),
    ),
    Metric(
        "relative_forgetting",
        "the same drop ÷ (that max − M[j]), M[j] the score of a constant answer; null where the denominator is ≤ 0",
        "lower",
        lambda s: relative_forgetting(s.matrix, s.majority, s.since),
    ),
    Metric(
        "forward_transfer",
        "mean over j>1 of R[j−1, j] − R[0, j]; null where task j has no head before stage j",
        "higher",
        lambda s: forward_transfer(s.matrix, s.since),
    ),
    Metric(
        "transfer_gain",
        "mean over j of R[j, j] − S[j], S[j] one model trained on task j alone with the same method",
        "higher",
        lambda s: None if s.single is None else transfer_gain(s.matrix, s.single, s.since),
    ),
    Metric(
        "intransigence",
        "mean over j of J[j] − R[j, j], J[j] the score of one joint model of all tasks",
        "lower",
        lambda s: None if s.joint is None else intransigence(s.matrix, s.joint, s.since),
    ),
)


def metrics(stream: Stream) -> dict[str, float | None]:
    """Return every metric of :data:`METRICS` by name; None where it is not defined for this stream."""
    return {metric.name: metric.compute(stream) for metric in METRICS}


def _since(matrix: Array, since: Since) -> NDArray[np.int64]:
    """Return from which stage each task counts (T,)."""
    return np.arange(1, matrix.shape[1] + 1) if since is None else since


def _earlier(matrix: Array, since: Since) -> NDArray[np.int64]:
    """Return the columns of the tasks that count from a stage before the last."""
    return np.flatnonzero(_since(matrix, since) < len(matrix) - 1)


def _diagonal(matrix: Array, since: Since) -> Array:
    return matrix[_since(matrix, since), np.arange(matrix.shape[1])]  # R[j, j] for j = 1..T: row j, column j - 1


def _best_before_last(matrix: Array, since: Since) -> Array:
    """Return max over j ≤ i < T of R[i, j] for each earlier task, NaN where a cell of the range is missing."""
    begins = _since(matrix, since)
    return np.array([matrix[begins[column] : -1, column].max() for column in _earlier(matrix, since)], dtype=float)
