"""Answers counted label by label: precision, recall and F1 of each, and which label is answered worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelScore:
    """How well one label is answered; shares in [0, 1], None where nothing could be counted."""

    label: str  # its name
    precision: float | None  # of the answers with it, the share that is right
    recall: float | None  # of those that have it, the share that gets it
    f1: float | None  # 2 hits ÷ (count + given); None where it is neither there nor given
    count: int  # how often it is right
    given: int  # how often it is answered

    def as_json(self) -> dict[str, Any]:
        """Return everything by name."""
        return asdict(self)


@dataclass(frozen=True)
class LabelCounts:
    """How often each label is right, given, and both, in examples that are counted together where they are alike."""

    names: tuple[str, ...]  # of the labels; of entities, their types
    wanted: NDArray[np.integer[Any]]  # how often each label is right, (rows, labels)
    given: NDArray[np.integer[Any]]  # how often each is answered, (rows, labels)
    hits: NDArray[np.integer[Any]]  # how often it is both, (rows, labels)
    times: NDArray[np.int64]  # how many examples a row stands for, (rows,)

    def scores(self) -> list[LabelScore]:
        """Return the scores of each label, in their order."""
        sums = (np.tensordot(self.times, counts, axes=1).tolist() for counts in (self.wanted, self.given, self.hits))
        return [
            LabelScore(name, _share(hit, given), _share(hit, wanted), _share(2 * hit, wanted + given), wanted, given)
            for name, wanted, given, hit in zip(self.names, *sums, strict=True)
        ]


def counts_of_pairs(labels: NDArray[np.int64], answers: NDArray[np.int64], label_names: Sequence[str]) -> LabelCounts:
    """Return the counts of one label an example.

    Args:
        labels: indices of the right ones, (examples,).
        answers: indices of those given, (examples,).
        label_names: of all labels.
    """
    size = len(label_names)
    pairs, times = np.unique(labels * size + answers, return_counts=True)
    wanted, given = (np.eye(size, dtype=np.int32)[indices] for indices in (pairs // size, pairs % size))
    return LabelCounts(tuple(label_names), wanted, given, wanted * given, times.astype(np.int64))


def macro_f1(scores: Sequence[LabelScore]) -> float | None:
    """Return the mean F1 of the labels that are there or given; None where there is none."""
    known = [score.f1 for score in scores if score.f1 is not None]
    return sum(known) / len(known) if known else None


def worst_label(scores: Sequence[LabelScore]) -> LabelScore | None:
    """Return the label with the smallest F1 of those that are there, of equals the most frequent; None without any."""
    there = [score for score in scores if score.count]
    return min(there, key=lambda score: (score.f1 or 0.0, -score.count), default=None)


def _share(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
