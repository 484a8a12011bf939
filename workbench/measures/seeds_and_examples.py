"""One variance for both: what another training would change, and what another test split would change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.measures.estimate import Estimate, Moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.measures.statistics import Array


class ExampleVariance(NamedTuple):
    """Variances of a mean over seeds and examples that the sample of test examples brings in; arrays (…).

    Attributes:
        examples: of the mean over examples of what each example has on average over seeds.
        examples_freedom: degrees of freedom of it.
        interaction: the part of it that the variance over seeds has too: each seed's own luck with each example.
        interaction_freedom: degrees of freedom of that.
    """

    examples: Array
    examples_freedom: Array
    interaction: Array
    interaction_freedom: Array


def example_variance(outcomes: Sequence[Array]) -> ExampleVariance:
    """Return what the sample of test examples adds to the variance of a mean over tasks.

    Seeds and examples are crossed: x = δ + a[seed] + b[example] + c[seed, example], within each task. The variance of
    the mean is σ_a² ÷ S + σ_b² ÷ n + σ_c² ÷ (S n) (Searle, Casella & McCulloch, 1992, ch. 4). The variance over seeds
    of their means estimates the first and the last term, that over examples of theirs the last two, so the last is
    taken off once.

    Args:
        outcomes: for each task (…, S, n_t): first − second of each seed on each example. Means over seeds alone,
            (…, 1, n_t), have no interaction to take off: the sum is then a little too large.

    Raises:
        ValueError: there is no task, or a task has fewer than two examples.
    """
    if not outcomes or min(task.shape[-1] for task in outcomes) < 2:
        raise ValueError("a variance over examples needs tasks of two examples or more")
    parts = [_of_task(task) for task in outcomes]
    squared = len(parts) ** 2
    examples = np.stack([part.examples for part in parts])  # (T, …)
    interaction = np.stack([part.interaction for part in parts])
    freedom = np.stack([part.examples_freedom for part in parts])
    both = np.stack([part.interaction_freedom for part in parts])
    return ExampleVariance(
        examples.sum(0) / squared,
        _freedom(examples, freedom),
        interaction.sum(0) / squared,
        _freedom(interaction, both),
    )


def _of_task(outcomes: Array) -> ExampleVariance:
    seeds, number = outcomes.shape[-2:]
    by_example, by_seed = outcomes.mean(-2), outcomes.mean(-1)  # (…, n), (…, S)
    examples = by_example.var(-1, ddof=1) / number
    residual = outcomes - by_example[..., None, :] - by_seed[..., None] + outcomes.mean((-2, -1))[..., None, None]
    freedom = max((seeds - 1) * (number - 1), 1)
    interaction = (residual**2).sum((-2, -1)) / freedom / (seeds * number)
    shape = examples.shape
    return ExampleVariance(examples, np.full(shape, number - 1.0), interaction, np.full(shape, float(freedom)))


def _freedom(variances: Array, freedom: Array) -> Array:
    """Return the degrees of freedom (…) of a sum of variances (T, …), after Satterthwaite (1946)."""
    fourth = (variances**2 / freedom).sum(0)
    return np.asarray(np.where(fourth > 0, variances.sum(0) ** 2 / np.where(fourth > 0, fourth, 1.0), freedom.sum(0)))


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


def over_seeds_and_examples(estimate: Estimate, outcomes: Sequence[Array]) -> tuple[Estimate, Shares]:
    """Return an estimate over seeds with the variance of the test examples added, and each one's share of the sum.

    In place of two tests that both have to agree: such a pair has no level of its own, and with more seeds the one over
    seeds says "differs" more and more often where another test split would not.

    Args:
        estimate: of a declared test.
        outcomes: see :func:`example_variance`.

    Raises:
        ValueError: see :func:`example_variance`.
    """
    summed = summed_moments(estimate.moments, example_variance(outcomes))
    error, freedom = float(summed.error), float(summed.freedom)
    seeds = estimate.error**2 / error**2 if error > 0 else 1.0
    return replace(estimate, error=error, freedom=freedom), Shares(seeds, 1 - seeds)
