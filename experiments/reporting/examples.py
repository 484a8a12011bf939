"""Scores of single test examples, for the bootstrap that compares two models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.workspace.example_scores import example_scores
from workbench.measures.statistics import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from workbench.measures.statistics import Array, Interval


def scores_by_example(path: Path | None, score: float | None) -> pd.Series | None:
    """Return each example's score by its id; None where the file is missing, or where their mean is not ``score``."""
    if path is None or not path.exists():
        return None
    scores = example_scores(path)
    return scores if score is not None and np.isclose(scores.mean(), score, rtol=0, atol=1e-6) else None


def over_examples(problems: Iterable[Sequence[tuple[pd.Series | None, pd.Series | None]]]) -> Interval | None:
    """Return the 95 % bootstrap interval, over test examples, of the difference of two models.

    Args:
        problems: for each problem, of equal weight, a pair of series of scores by example for each replication.

    Returns:
        None where a problem has no pair, or one that :func:`over_replications` cannot take.
    """
    means = [over_replications(pairs) if pairs else None for pairs in problems]
    complete = [pair for pair in means if pair is not None]
    if len(complete) < len(means):
        return None
    return paired_bootstrap([ours for ours, _ in complete], [theirs for _, theirs in complete])


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
