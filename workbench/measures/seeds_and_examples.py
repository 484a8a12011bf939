"""One variance for both: what another training would change, and what another test split would change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adapter_workbench.workbench.measures.estimate import Estimate, Moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Array


class ExampleVariance(NamedTuple):
    """Variances of a mean over seeds and examples that the sample of test examples brings in; arrays (…)."""

    examples: Array  # of the mean over examples of what each example has on average over seeds
    examples_freedom: Array  # degrees of freedom of it
    interaction: Array  # the part of it that the variance over seeds has too: each seed's own luck with each example
    interaction_freedom: Array  # degrees of freedom of that


def example_variance(outcomes: Sequence[Array], sources: Sequence[NDArray[Any]] = ()) -> ExampleVariance:
    """Return what the sample of test examples adds to the variance of a mean over tasks.

    Seeds and examples are crossed: x = δ + a[seed] + b[example] + c[seed, example], within each task. The variance of
    the mean is σ_a² ÷ S + σ_b² ÷ n + σ_c² ÷ (S n) (Searle, Casella & McCulloch, 1992, ch. 4). The variance over seeds
    of their means estimates the first and the last term, that over examples of theirs the last two, so the last is
    taken off once.

    Where tasks test the same texts, their parts of the mean move together: what a text adds to the mean, in whichever
    tasks, is summed before it is squared (Liang & Zeger, 1986). With a source for each row this is the sum of the
    tasks' own variances.

    Args:
        outcomes: for each task (…, S, n_t): first − second of each seed on each example. Means over seeds alone,
            (…, 1, n_t), have no interaction to take off: the sum is then a little too large.
        sources: for each task (n_t,), the same number for what comes from one source, in whichever task; empty where
            every example has its own.

    Raises:
        ValueError: there is no task, or a task has fewer than two examples.
    """
    sizes = np.array([task.shape[-1] for task in outcomes])
    if not len(sizes) or sizes.min() < 2:
        raise ValueError("a variance over examples needs tasks of two examples or more")
    rows = _Rows(sizes, sources)
    values = np.concatenate(outcomes, axis=-1)  # (…, S, N)
    seeds, by_example = values.shape[-2], values.mean(-2, keepdims=True)  # (…, 1, N)
    interaction = values - by_example - rows.task_means(values - by_example)
    examples, examples_freedom = rows.variance(by_example - rows.task_means(by_example))
    shared, shared_freedom = rows.variance(interaction)
    pairs = max(seeds - 1, 1)
    return ExampleVariance(examples, examples_freedom, shared / (seeds * pairs), shared_freedom * pairs)


class _Rows:
    """Test examples of all tasks in a row, N of them, and how each counts in a mean over tasks of means over examples.

    Attributes:
        sizes: how many examples each task has, (T,).
        starts: where each task begins, (T,).
        weights: what an example counts for, with n ÷ (n − 1) for the mean that was taken off, (N,).
        order: examples with those of a source beside each other, (N,); None where every example has its own.
        source_starts: where each source begins in that order.
    """

    def __init__(self, sizes: NDArray[np.int_], sources: Sequence[NDArray[Any]]) -> None:
        self.sizes, self.starts = sizes, np.cumsum(sizes) - sizes
        self.weights = np.repeat(1 / (len(sizes) * np.sqrt(sizes * (sizes - 1.0))), sizes)
        self.order, self.source_starts = None, np.arange(sizes.sum())
        if sources:
            numbers = np.concatenate(list(sources))
            self.order = np.argsort(numbers, kind="stable")
            ordered = numbers[self.order]
            self.source_starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])

    def task_means(self, values: Array) -> Array:
        """Return for each example (…, N) the mean of its task."""
        return np.repeat(np.add.reduceat(values, self.starts, axis=-1) / self.sizes, self.sizes, axis=-1)

    def variance(self, deviations: Array) -> tuple[Array, Array]:
        """Return Σ (what a source adds to the mean)² of deviations (…, S, N), and its degrees of freedom, (…).

        Those are Satterthwaite's (1946), of sources whose spread is that of their tasks. Rows of one source count as
        moving together: where they do not, there are more.
        """
        parts = deviations * self.weights
        own = np.add.reduceat(parts**2, self.starts, axis=-1).sum(-2) / self.sizes  # (…, T): an example's, in a task
        spread = np.sqrt(own)
        whole = self._of_sources(np.repeat(spread, self.sizes, axis=-1)) ** 2
        ratio = (self.sizes / (self.sizes - 1.0)) ** 0.25  # n − 1 degrees where each example is its own source
        fourth = (self._of_sources(np.repeat(spread * ratio, self.sizes, axis=-1)) ** 4).sum(-1)
        freedom = whole.sum(-1) ** 2 / np.where(fourth > 0, fourth, 1.0)
        variance = (self._of_sources(parts) ** 2).sum((-2, -1))
        return variance, np.where(fourth > 0, freedom, float((self.sizes - 1).sum()))

    def _of_sources(self, values: Array) -> Array:
        """Return the sums over the examples of each source of values (…, N)."""
        return values if self.order is None else np.add.reduceat(values[..., self.order], self.source_starts, axis=-1)


def summed_moments(over_seeds: Moments, examples: ExampleVariance) -> Moments:
    """Return moments whose variance is that over seeds plus what the examples add, less what both have.

    Degrees of freedom are those of Satterthwaite (1946), also for the difference of two variances (Gaylor & Hopper,
    1969), and never fewer than those of either. The variance over seeds counts there as at least the interaction,
    which is a part of it: where few seeds are close to each other by chance, they are not taken to tell that training
    changes nothing.
    """
    seeds, added = over_seeds.error**2, np.maximum(examples.examples - examples.interaction, 0.0)
    of_examples = examples.examples**2 / examples.examples_freedom
    of_both = examples.interaction**2 / examples.interaction_freedom
    of_seeds = np.maximum(seeds, examples.interaction) ** 2 / np.maximum(over_seeds.freedom, 1)
    fourth = of_seeds + np.where(added > 0, of_examples + of_both, 0.0)
    whole = seeds + added
    freedom = np.where(fourth > 0, whole**2 / np.where(fourth > 0, fourth, 1.0), over_seeds.freedom)
    fewest = np.minimum(over_seeds.freedom, examples.examples_freedom)
    return Moments(over_seeds.difference, np.sqrt(whole), np.maximum(freedom, fewest))


@dataclass(frozen=True)
class Shares:
    """Which part of the variance of a difference comes from where, both in [0, 1]."""

    seeds: float
    examples: float


def over_seeds_and_examples(estimate: Estimate, examples: ExampleVariance) -> tuple[Estimate, Shares]:
    """Return an estimate over seeds with the variance of the test examples added, and each one's share of the sum.

    In place of two tests that both have to agree: such a pair has no level of its own, and with more seeds the one over
    seeds says "differs" more and more often where another test split would not.

    Args:
        estimate: of a declared test.
        examples: of the same difference, see :func:`example_variance`.
    """
    summed = summed_moments(estimate.moments, examples)
    error, freedom = float(summed.error), float(summed.freedom)
    seeds = estimate.error**2 / error**2 if error > 0 else 1.0
    fixed = max(error**2 - estimate.error**2, 0.0)
    return replace(estimate, error=error, freedom=freedom, fixed=fixed), Shares(seeds, 1 - seeds)
