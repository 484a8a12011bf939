"""Forgetting and its companions: pure functions, accuracy matrix in, named metrics out.

``R`` is a float array of shape (T + 1, T): ``R[i, j - 1]`` is the score in [0, 1] on task j's test split after stage i,
stage 0 being before any task. NaN marks a cell that was not measured. A metric that needs such a cell, or a baseline
that is not there, is ``None``: never 0, and never a mean over the cells that happen to be present.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Array: TypeAlias = NDArray[np.floating[Any]]


def average_accuracy(matrix: Array) -> float | None:
    """Return mean over j of R[T, j] for R (T + 1, T): ACC, equation 2 of Lopez-Paz & Ranzato (2017)."""
    return _mean(matrix[-1])


def average_accuracy_micro(matrix: Array, test_sizes: Array) -> float | None:
    """Return Σ n_j R[T, j] / Σ n_j for R (T + 1, T) and n (T,) test examples: each example counts once."""
    total = math.fsum(test_sizes)
    return _finite(math.fsum(matrix[-1] * test_sizes) / total) if total > 0 else None


def learning_accuracy(matrix: Array) -> float | None:
    """Return mean over j of R[j, j] for R (T + 1, T): LA of Riemer et al. (2019), how well each task was learned."""
    return _mean(_diagonal(matrix))


def backward_transfer(matrix: Array) -> float | None:
    """Return mean over j < T of R[T, j] − R[j, j]: BWT, equation 3 of Lopez-Paz & Ranzato (2017); None for T = 1."""
    return _mean((matrix[-1] - _diagonal(matrix))[:-1])


def forgetting(matrix: Array) -> float | None:
    """Return mean over j < T of (max over j ≤ i < T of R[i, j]) − R[T, j]; None for T = 1.

    Chaudhry et al. (2018), equation 3, the maximum taken over the stages since task j was learned. It is negative where
    later tasks helped, since the last row is not among those the maximum is taken over.
    """
    best = _best_before_last(matrix)
    return _mean(best - matrix[-1, :-1])


def relative_forgetting(matrix: Array, majority: Array) -> float | None:
    """Return mean over j < T of (best_j − R[T, j]) / (best_j − M[j]): the drop as a share of what had been gained.

    ``best_j`` is the maximum of :func:`forgetting`, M (T,) the majority-class scores. None where a denominator is ≤ 0:
    nothing had been gained on that task. After relative feature forgetting (Hess et al., 2023).
    """
    best = _best_before_last(matrix)
    gained = best - majority[:-1]
    if not np.all(gained > 0):  # also where it is NaN
        return None
    return _mean((best - matrix[-1, :-1]) / gained)


def forward_transfer(matrix: Array) -> float | None:
    """Return mean over j > 1 of R[j − 1, j] − R[0, j]: FWT, equation 4 of Lopez-Paz & Ranzato (2017).

    Row 0 takes the place of their score at random initialisation. None for T = 1, and where task j cannot be answered
    before stage j (it has no head yet), because then those cells were not measured.
    """
    above_diagonal = np.diagonal(matrix, offset=0)  # R[j - 1, j] for j = 1..T, rows counted from stage 0
    return _mean((above_diagonal - matrix[0])[1:])


def transfer_gain(matrix: Array, single: Array) -> float | None:
    """Return mean over j of R[j, j] − S[j], S (T,) the scores of one model for each task: did the stream help?"""
    return _mean(_diagonal(matrix) - single)


def intransigence(matrix: Array, joint: Array) -> float | None:
    """Return mean over j of J[j] − R[j, j], J (T,) joint training's scores: Chaudhry et al. (2018), definition 3."""
    return _mean(joint - _diagonal(matrix))


@dataclass(frozen=True)
class Stream:
    """What the metrics of one strategy with one seed are computed from.

    Attributes:
        matrix: R (T + 1, T).
        test_sizes: examples in each test split (T,).
        majority: M (T,), the majority-class score of each task.
        single: S (T,), one model for each task alone; None where no such models were trained.
        joint: J (T,), joint training; None where there was none.
    """

    matrix: Array
    test_sizes: Array
    majority: Array
    single: Array | None = None
    joint: Array | None = None

    def until(self, stage: int) -> Stream:
        """Return the stream of the first ``stage`` tasks, as it stood when the last of them had been learned."""
        single, joint = (None if row is None else row[:stage] for row in (self.single, self.joint))
        sizes, majority = self.test_sizes[:stage], self.majority[:stage]
        return Stream(self.matrix[: stage + 1, :stage], sizes, majority, single, joint)


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
    Metric("learning_accuracy", "mean over j of R[j, j]", "higher", lambda s: learning_accuracy(s.matrix)),
    Metric("backward_transfer", "mean over j<T of R[T, j] − R[j, j]", "higher", lambda s: backward_transfer(s.matrix)),
    Metric(
        "forgetting",
        "mean over j<T of (max over j≤i<T of R[i, j]) − R[T, j]; may be negative",
        "lower",
        lambda s: forgetting(s.matrix),
    ),
    Metric(
        "relative_forgetting",
        "the same drop ÷ (that max − M[j]), M[j] the score of a constant answer; null where the denominator is ≤ 0",
        "lower",
        lambda s: relative_forgetting(s.matrix, s.majority),
    ),
    Metric(
        "forward_transfer",
        "mean over j>1 of R[j−1, j] − R[0, j]; null where task j has no head before stage j",
        "higher",
        lambda s: forward_transfer(s.matrix),
    ),
    Metric(
        "transfer_gain",
        "mean over j of R[j, j] − S[j], S[j] one model trained on task j alone with the same method",
        "higher",
        lambda s: None if s.single is None else transfer_gain(s.matrix, s.single),
    ),
    Metric(
        "intransigence",
        "mean over j of J[j] − R[j, j], J[j] joint training's score",
        "lower",
        lambda s: None if s.joint is None else intransigence(s.matrix, s.joint),
    ),
)


def metrics(stream: Stream) -> dict[str, float | None]:
    """Return every metric of :data:`METRICS` by name; None where it is not defined for this stream."""
    return {metric.name: metric.compute(stream) for metric in METRICS}


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval; the bounds are None where there is too little to compute one.

    Attributes:
        mean: mean of the values that are there; None where none is.
        low: lower bound.
        high: upper bound.
        values: what was averaged, in the order given, None where a value is missing.
    """

    mean: float | None
    low: float | None
    high: float | None
    values: tuple[float | None, ...] = ()

    @property
    def holds_zero(self) -> bool | None:
        """Whether 0 lies inside the bounds; None where there are no bounds."""
        return None if self.low is None or self.high is None else self.low <= 0 <= self.high

    def as_json(self) -> dict[str, Any]:
        """Return ``{mean, low, high, values}``, None for what is not known; ``values`` only where there are any."""
        bounds = {"mean": self.mean, "low": self.low, "high": self.high}
        return {**bounds, "values": list(self.values)} if self.values else bounds


def interval(values: Iterable[float | None]) -> Interval:
    """Return the mean and its 95 % t interval (Student, 1908), mean ± t(0.975, n − 1) · s / √n, over seeds.

    A missing value (None or NaN) stays visible in ``values`` and is left out of the mean. One value alone has no
    interval.
    """
    given = tuple(None if value is None else _finite(float(value)) for value in values)
    present = np.array([value for value in given if value is not None])
    mean = _mean(present)
    if mean is None or len(present) < 2:
        return Interval(mean, None, None, given)
    equal = bool(np.all(present == present[0]))
    spread = 0.0 if equal else float(np.std(present, ddof=1)) / math.sqrt(len(present))
    half = float(stdtrit(len(present) - 1, 0.975)) * spread
    return Interval(mean, mean - half, mean + half, given)


def paired_bootstrap(
    first: Sequence[Array], second: Sequence[Array], *, seed: int = 0, resamples: int = 10_000
) -> Interval | None:
    """Return the 95 % percentile interval of ``first − second`` in average accuracy, over test examples.

    Each task's test split is resampled with replacement, the same examples for both strategies (Efron & Tibshirani,
    1993; Koehn, 2004, for the pairing), and the macro average over tasks is taken anew. The differences of an
    example take few distinct values, so a resample is one multinomial draw over them: the same distribution as
    drawing indices, at a cost that does not grow with the number of examples.

    Args:
        first: for each task an array (n_j,) of examples' scores, the mean over seeds (of correct, 1, or not, 0).
        second: the same examples in the same order.
        seed: seeds the draws; equal input gives equal bounds.
        resamples: number of draws.

    Returns:
        The observed difference and its bounds, without values; None where there is no task or a task is empty or has
        outcomes that are not numbers.

    Raises:
        ValueError: the two do not hold the same number of tasks, or of examples in a task.
    """
    generator = np.random.default_rng(seed)
    observed, draws = [], np.zeros(resamples)
    for one, other in zip(first, second, strict=True):
        if len(one) != len(other):
            raise ValueError(f"a paired bootstrap needs the same examples: got {len(one)} and {len(other)}")
        difference = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)  # (n_j,)
        if not len(difference) or not np.isfinite(difference).all():
            return None
        values, counts = np.unique(difference, return_counts=True)  # (k,) distinct differences
        weights = generator.multinomial(len(difference), counts / len(difference), size=resamples)  # (resamples, k)
        draws += weights @ values / len(difference)
        observed.append(math.fsum(difference) / len(difference))
    if not observed:
        return None
    low, high = np.quantile(draws / len(observed), [0.025, 0.975])
    return Interval(math.fsum(observed) / len(observed), float(low), float(high))


def _diagonal(matrix: Array) -> Array:
    return np.diagonal(matrix, offset=-1)  # R[j, j] for j = 1..T: row j, column j - 1


def _best_before_last(matrix: Array) -> Array:
    """Return max over j ≤ i < T of R[i, j] for j = 1..T-1, NaN where a cell of the range is missing."""
    tasks = matrix.shape[1]
    return np.array([matrix[task:tasks, task - 1].max() for task in range(1, tasks)], dtype=float)


def _mean(values: Array) -> float | None:
    """Return the mean, the same for every order of the values; None where there is no value or one is NaN."""
    if not len(values):
        return None
    if np.all(values == values[0]):  # a mean of equal values is that value, without a rounding error
        return _finite(float(values[0]))
    return _finite(math.fsum(values) / len(values))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
