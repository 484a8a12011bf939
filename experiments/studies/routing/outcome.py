"""Class-incremental evaluation: texts of several tasks, and nobody names the task (van de Ven & Tolias, 1904.07734).

An answer is right where the task is right *and* the label is. Labels of different tasks count as different, so a text
that goes to another task's adapter is wrong whatever label that adapter gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.workbench.measures.statistics import Array


@dataclass(frozen=True)
class RoutingOutcome:
    """How the test texts of T tasks fare.

    Attributes:
        counts: how many of task i's texts were taken for task j (T, T).
        correct: for each task a character for each of its texts, ``1`` where task and label are right, else ``0``.
    """

    counts: tuple[tuple[int, ...], ...]
    correct: tuple[str, ...]

    @property
    def accuracies(self) -> list[float]:
        """For each task the share of its texts with the right task and the right label."""
        return [answers.count("1") / len(answers) for answers in self.correct]

    @property
    def accuracy(self) -> float:
        """Mean over tasks of :attr:`accuracies`."""
        return fmean(self.accuracies)

    @property
    def confusion(self) -> NDArray[np.float64]:
        """The share of task i's texts that were taken for task j: (T, T), rows sum to 1."""
        counts = np.array(self.counts, dtype=np.float64)
        shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
        return shares

    @property
    def routing_accuracy(self) -> float:
        """Mean over tasks of the share of texts with the right task."""
        return float(np.mean(np.diag(self.confusion)))

    @property
    def scores(self) -> list[Array]:
        """For each task (n_j,) 1 where a text was answered rightly, else 0."""
        return [np.array([*map(float, answers)]) for answers in self.correct]


def outcome(chosen: Sequence[NDArray[np.int64]], correct: Sequence[NDArray[np.bool_]]) -> RoutingOutcome:
    """Return the outcome of texts.

    Args:
        chosen: for each task (n_j,), the task that each of its texts was taken to belong to.
        correct: for each task (n_j,), whether task and label are right.
    """
    tasks = len(chosen)
    counts = tuple(tuple(np.bincount(taken, minlength=tasks).tolist()) for taken in chosen)
    return RoutingOutcome(counts, tuple("".join("01"[int(right)] for right in answers) for answers in correct))
