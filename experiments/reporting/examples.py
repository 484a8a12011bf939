"""Scores of single test examples: what another test split would change of the difference of two models."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adapter_workbench.experiments.workspace.example_scores import example_scores
from adapter_workbench.workbench.measures.clustered import clustered_bootstraps
from adapter_workbench.workbench.measures.seeds_and_examples import ExampleVariance, example_variance
from adapter_workbench.workbench.measures.statistics import Interval, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Array


class ExamplePair(NamedTuple):
    """The scores of two models on the test examples of one problem, in one replication.

    Attributes:
        seed: of the replication.
        first: by the example's id; None where they are not known.
        second: of the same examples.
    """

    seed: int
    first: pd.Series | None
    second: pd.Series | None


class PairedOutcomes(NamedTuple):
    """The scores of two models on the same test examples of one problem.

    Attributes:
        ids: of the examples, (n,).
        first: one row a seed, (S, n), the mean over the orders of the tasks; one row for all seeds where these were not
            tested on the same examples.
        second: of the same seeds and examples.
    """

    ids: Array
    first: Array
    second: Array

    @property
    def mean_over_seeds(self) -> tuple[Array, Array]:
        """Both models' mean score of each example, (n,)."""
        return self.first.mean(0), self.second.mean(0)


class OverExamples(NamedTuple):
    """What the test examples tell of a difference.

    Attributes:
        interval: 95 % bootstrap interval over them, which speaks of these trainings alone.
        variance: what their sample adds to the variance over seeds; None where a problem has fewer than two.
    """

    interval: Interval
    variance: ExampleVariance | None


def scores_by_example(path: Path | None, score: float | None) -> pd.Series | None:
    """Return each example's score by its id; None where the file is missing, or where their mean is not ``score``."""
    if path is None or not path.exists():
        return None
    scores = example_scores(path)
    return scores if score is not None and np.isclose(scores.mean(), score, rtol=0, atol=1e-6) else None


def over_examples(
    problems: Iterable[Sequence[ExamplePair]], shared_texts: Sequence[Mapping[str, int]] = ()
) -> OverExamples | None:
    """Return what the test examples tell of the difference of two models, first − second.

    Args:
        problems: for each problem, of equal weight, both models' scores by example in each replication.
        shared_texts: for each problem, id of an example → number of its text, where other examples have the same text;
            these are one draw. Empty where none has.

    Returns:
        None where a problem has no pair, or one that :func:`paired_outcomes` cannot take.
    """
    return over_examples_of_each([problems], shared_texts)[0]


def over_examples_of_each(
    comparisons: Iterable[Iterable[Sequence[ExamplePair]]], shared_texts: Sequence[Mapping[str, int]] = ()
) -> list[OverExamples | None]:
    """Return :func:`over_examples` of many comparisons: those of the same examples with shared texts share draws."""
    known: list[_Compared | None] = [_compared(_all_outcomes(problems), shared_texts) for problems in comparisons]
    groups: dict[bytes, list[_Compared]] = {}
    for compared in known:
        if compared:
            groups.setdefault(b"".join(texts.tobytes() for texts in compared.texts), []).append(compared)
    intervals: dict[int, Interval | None] = {}
    for group in groups.values():
        intervals |= zip(map(id, group), _intervals(group), strict=True)
    return [compared and _with_variance(intervals[id(compared)], compared) for compared in known]


def of_outcomes(
    outcomes: Sequence[PairedOutcomes], shared_texts: Sequence[Mapping[str, int]] = ()
) -> OverExamples | None:
    """Return the same of outcomes, one of each problem; None where there is none, or they are not numbers."""
    compared = _compared(outcomes, shared_texts)
    return compared and _with_variance(_intervals([compared])[0], compared)


class _Compared(NamedTuple):
    """Two models' mean score of each example, problem by problem, and what else is needed of them.

    Attributes:
        texts: for each problem the number of each example's text; empty where none is shared.
        variance: see :class:`OverExamples`.
    """

    first: list[Array]
    second: list[Array]
    texts: list[NDArray[np.int64]]
    variance: ExampleVariance | None


def _all_outcomes(problems: Iterable[Sequence[ExamplePair]]) -> list[PairedOutcomes] | None:
    outcomes = []
    for pairs in problems:
        if (of_problem := paired_outcomes(pairs)) is None:
            return None
        outcomes.append(of_problem)
    return outcomes


def _compared(outcomes: Sequence[PairedOutcomes] | None, shared_texts: Sequence[Mapping[str, int]]) -> _Compared | None:
    if not outcomes:
        return None
    texts = sources([of_problem.ids for of_problem in outcomes], shared_texts) if any(shared_texts) else []
    first, second = zip(*(of_problem.mean_over_seeds for of_problem in outcomes), strict=True)
    return _Compared([*first], [*second], texts, _variance(outcomes, texts))


def _variance(outcomes: Sequence[PairedOutcomes], texts: list[NDArray[np.int64]]) -> ExampleVariance | None:
    if min(len(of_problem.ids) for of_problem in outcomes) < 2:
        return None
    differences = [of_problem.first - of_problem.second for of_problem in outcomes]  # (S, n) each
    if len({len(of_problem) for of_problem in differences}) > 1:  # not tested with the same seeds
        differences = [of_problem.mean(0, keepdims=True) for of_problem in differences]
    return example_variance(differences, texts)


def _intervals(group: Sequence[_Compared]) -> list[Interval | None]:
    """Return the interval over examples of each comparison; the texts of all are the same."""
    if group[0].texts:
        return clustered_bootstraps([(compared.first, compared.second) for compared in group], group[0].texts)
    return [paired_bootstrap(compared.first, compared.second) for compared in group]


def _with_variance(interval: Interval | None, compared: _Compared) -> OverExamples | None:
    return OverExamples(interval, compared.variance) if interval else None


def sources(ids: Sequence[Array], shared_texts: Sequence[Mapping[str, int]]) -> list[NDArray[np.int64]]:
    """Return for each problem an array (n_j,) with the same number for examples of one text, in whichever problem.

    Args:
        ids: for each problem those of its examples, (n_j,).
        shared_texts: see :func:`over_examples`.
    """
    arrays, following = [], 1 + max((number for shared in shared_texts for number in shared.values()), default=0)
    for own, shared in zip(ids, shared_texts, strict=True):
        arrays.append(np.array([shared.get(str(name), following + index) for index, name in enumerate(own)]))
        following += len(own)
    return arrays


def test_sizes(problems: Iterable[Sequence[ExamplePair]]) -> list[int]:
    """Return how many test examples each problem has; nothing where the examples of one are not known."""
    sizes = [next((len(pair.first) for pair in pairs if pair.first is not None), 0) for pairs in problems]
    return sizes if all(sizes) else []


def paired_outcomes(pairs: Sequence[ExamplePair]) -> PairedOutcomes | None:
    """Return the scores of both models on one problem, by seed and example.

    None where there is no pair or an entry is missing, or a pair does not speak of the same examples.
    """
    known = [(pair.first, pair.second) for pair in pairs if pair.first is not None and pair.second is not None]
    if not known or len(known) < len(pairs) or not all(ours.index.equals(theirs.index) for ours, theirs in known):
        return None
    ids = known[0][0].index
    sides = [[scores.to_numpy(dtype=float) for scores in side] for side in zip(*known, strict=True)]
    if all(ours.index.equals(ids) for ours, _ in known):
        seeds = [pair.seed for pair in pairs]
        return PairedOutcomes(ids.to_numpy(dtype=object), *(_by_seed(np.stack(side), seeds) for side in sides))
    every = np.concatenate([ours.index.to_numpy(dtype=object) for ours, _ in known])
    names, inverse, counts = np.unique(every, return_inverse=True, return_counts=True)  # pandas takes longer
    first, second = (np.bincount(inverse, np.concatenate(side)) / counts for side in sides)
    return PairedOutcomes(names, first[None], second[None])


def _by_seed(scores: Array, seeds: Sequence[int]) -> Array:
    """Return scores (replications, n) as means over the replications of each seed, (S, n)."""
    distinct = [*dict.fromkeys(seeds)]
    if len(distinct) == len(seeds):
        return scores
    return np.stack([scores[[own == seed for own in seeds]].mean(0) for seed in distinct])
