"""A value compared with its distribution by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.measures.statistics import finite

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Chance:
    """A value, and what shuffled neurons give.

    Attributes:
        value: as the updates are; None where it is not defined.
        mean: over the permutations.
        low: their 2.5 % quantile.
        high: their 97.5 % quantile.
        p: two-sided, min(1, 2 (1 + k) ÷ (1 + N)) for the k of N permutations that lie at least as far on the value's
            side (Phipson & Smyth 2010); not corrected for the number of pairs.
    """

    value: float | None
    mean: float | None
    low: float | None
    high: float | None
    p: float | None


def against_chance(draws: NDArray[np.floating[Any]]) -> Chance:
    """Return the first of ``draws`` (N + 1,) compared with the others, its values under permutations."""
    value, others = float(draws[0]), draws[1:]
    if not np.isfinite(draws).all() or not len(others):
        return Chance(finite(value), None, None, None, None)
    low, high = np.quantile(others, [0.025, 0.975])
    slack = 1e-12 * max(1.0, abs(value))  # equal values differ by rounding
    beyond = min((others >= value - slack).sum(), (others <= value + slack).sum())
    p = min(1.0, 2 * (1 + float(beyond)) / (1 + len(others)))
    return Chance(value, float(others.mean()), float(low), float(high), p)
