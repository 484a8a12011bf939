"""Scores of single test examples, for the bootstrap that compares two models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.workspace.example_scores import example_scores
from workbench.measures.clustered import clustered_bootstrap
from workbench.measures.statistics import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from workbench.measures.statistics import Array, Interval


def scores_by_example(path: Path | None, score: float | None) -> pd.Series | None:
    """Return each example's score by its id; None where the file is missing, or where their mean is not ``score``."""
    if path is None or not path.exists():
        return None
    scores = example_scores(path)
    return scores if score is not None and np.isclose(scores.mean(), score, rtol=0, atol=1e-6) else None


def over_examples(
    problems: Iterable[Sequence[tuple[pd.Series | None, pd.Series | None]]],
    shared_texts: Sequence[Mapping[str, int]] = (),
) -> Interval | None:
    """Return the 95 % bootstrap interval, over test examples, of the difference of two models.

    Args:
        problems: for each problem, of equal weight, a pair of series of scores by example for each replication.
        shared_texts: for each problem, id of an example → number of its text, where other examples have the same text;
            these are drawn together. Empty where none has.

    Returns:
        None where a problem has no pair, or one that :func:`over_replications` cannot take.
    """
    given = [*problems]
    means = [over_replications(pairs) if pairs else None for pairs in given]
    complete = [pair for pair in means if pair is not None]
    if len(complete) < len(means):
        return None
    both = [ours for ours, _ in complete], [theirs for _, theirs in complete]
    if not any(shared_texts):
        return paired_bootstrap(*both)
    ids = [_ids(pairs) for pairs in given]
    return clustered_bootstrap(*both, sources(ids, shared_texts))


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


def _ids(pairs: Sequence[tuple[pd.Series | None, pd.Series | None]]) -> Array:
    """Return the ids of a problem's examples, in the order of :func:`over_replications`."""
    every = [ours.index.to_numpy(dtype=object) for ours, _ in pairs if ours is not None]
    return np.unique(np.concatenate(every))


def test_sizes(problems: Iterable[Sequence[tuple[pd.Series | None, pd.Series | None]]]) -> list[int]:
    """Return how many test examples each problem has; nothing where the examples of one are not known."""
    sizes = [next((len(ours) for ours, _ in pairs if ours is not None), 0) for pairs in problems]
    return sizes if all(sizes) else []


def over_replications(pairs: Sequence[tuple[pd.Series | None, pd.Series | None]]) -> tuple[Array, Array] | None:
    """Return each example's share of correct answers in both columns of ``pairs``, two arrays (n,).

    None where an entry is missing, or a pair does not speak of the same examples.
    """
    ids, ours, theirs = [], [], []
    for our_scores, their_scores in pairs:
        if our_scores is None or their_scores is None or not our_scores.index.equals(their_scores.index):
            return None
        ids.append(our_scores.index.to_numpy(dtype=object))
        ours.append(our_scores.to_numpy(dtype=float))
        theirs.append(their_scores.to_numpy(dtype=float))
    _, inverse, counts = np.unique(np.concatenate(ids), return_inverse=True, return_counts=True)  # pandas takes longer
    first, second = (np.bincount(inverse, np.concatenate(scores)) / counts for scores in (ours, theirs))
    return first, second
