"""Macro F1 of an adapter's labels beside what it would be without learning: one answer to all, or answers at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MacroF1:
    """Macro F1 over the labels that the examples have, in [0, 1].

    Attributes:
        score: of the answers given.
        constant: of always giving the label that most examples have.
        chance: of the same answers in a random order: its mean over all orders.
        deviation: its standard deviation over all orders.
        same: share of the examples to which the most frequent answer is given.
    """

    score: float
    constant: float
    chance: float
    deviation: float
    same: float

    @property
    def gained(self) -> float:
        """What was gained of that which the constant answer leaves to be gained: at most 1; negative if it is lost."""
        return (self.score - self.constant) / (1 - self.constant)

    def is_above(self, deviations: float) -> bool:
        """Return whether the score is above the constant's, and by so many deviations above chance."""
        return self.score > self.constant and self.score - self.chance > deviations * self.deviation


def macro_f1(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> MacroF1:
    """Return the macro F1 of ``answers``, beside what needs no learning.

    F1 of label k is 2 h ÷ (n + m), of n examples that have it, m that get it, and h of both. In a random order of the
    answers only h changes. Macro F1 is then a sum over examples of a(answer, label), whose mean and variance over all
    orders Hoeffding (1951, A combinatorial central limit theorem) gives:
    Var = Σ d(i, j)² ÷ (n − 1), where d is a without the means of its rows and columns.

    Args:
        labels: the right ones, (examples,), at least two different ones.
        answers: those given, (examples,).
    """
    number, most = len(labels), int(max(labels.max(), answers.max())) + 1
    wanted, given = (np.bincount(values, minlength=most).astype(np.float64) for values in (labels, answers))
    hits = np.bincount(labels[labels == answers], minlength=most)
    known = int((wanted > 0).sum())
    weights = np.where(wanted > 0, 2 / np.maximum(wanted + given, 1) / known, 0.0)  # of a hit, (labels,)
    rows, columns = weights * wanted / number, weights * given / number  # means of a over labels, and over answers
    mean = float(rows @ given) / number
    centred = np.diag(weights) - rows[:, None] - columns[None, :] + mean  # (answers, labels)
    variance = float(given @ centred**2 @ wanted) / max(number - 1, 1)
    share = float(wanted.max()) / number
    return MacroF1(
        score=float(weights @ hits),
        constant=2 * share / (1 + share) / known,
        chance=mean * number,
        deviation=math.sqrt(variance),
        same=float(given.max()) / number,
    )
