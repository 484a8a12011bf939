"""Every two strategies beside each other: paired t-tests, adjusted for how many of them there are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtr

from experiments.reporting.differences import SAME, reading
from experiments.studies.stream.comparison import COMPARED, compare
from experiments.studies.stream.replications import independent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.reporting.differences import Difference
    from experiments.studies.stream.comparison import Comparison
    from experiments.studies.stream.final_outcomes import FinalOutcomes
    from experiments.studies.stream.replications import Values
    from experiments.studies.stream.report import ReplicationReport

LEVEL = 0.05


@dataclass(frozen=True)
class Contrast:
    """First − second in one metric.

    Attributes:
        difference: with its interval, which is that of this pair alone.
        p: two-sided p of the paired t-test; None for fewer than two replications.
        adjusted: p after Holm, over all pairs in this metric; what the reading goes by.
    """

    difference: Difference
    p: float | None
    adjusted: float | None

    @property
    def reading(self) -> str:
        """What the test says: higher, lower, not distinguishable; or that there is none."""
        mean = self.difference.seeds.mean
        if mean is None or self.adjusted is None:
            return reading(self.difference.seeds)
        if self.adjusted >= LEVEL:
            return SAME
        return "higher" if mean > 0 else "lower"

    def as_json(self) -> dict[str, Any]:
        """Return the difference with ``p``, ``p_holm`` and the test's own ``reading``."""
        return {**self.difference.as_json(), "p": self.p, "p_holm": self.adjusted, "reading": self.reading}


@dataclass(frozen=True)
class Pair:
    """Two strategies, and first − second by metric."""

    first: str
    second: str
    contrasts: Mapping[str, Contrast]

    def as_json(self) -> dict[str, Any]:
        """Return both labels and each contrast under its metric's name."""
        contrasts = {name: contrast.as_json() for name, contrast in self.contrasts.items()}
        return {"first": self.first, "second": self.second, **contrasts}


def all_pairs(
    outcomes: FinalOutcomes, labels: Sequence[str], reports: Mapping[str, Sequence[ReplicationReport]]
) -> tuple[Pair, ...]:
    """Return every two of ``labels``, in their order."""
    found = [(one, other, compare(outcomes, one, other, reports)) for one, other in combinations(labels, 2)]
    seeds = [report.seed for report in reports[labels[0]]] if labels else []
    tests = {name: _tests([comparison for _, _, comparison in found], name, seeds) for name in COMPARED}
    return tuple(
        Pair(one, other, {name: tests[name][place] for name in COMPARED}) for place, (one, other, _) in enumerate(found)
    )


def _tests(comparisons: Sequence[Comparison], name: str, seeds: Sequence[int]) -> list[Contrast]:
    differences = [comparison.differences[name] for comparison in comparisons]
    chances = [paired_t_test(independent(one.seeds.values, seeds)) for one in differences]
    return [Contrast(*parts) for parts in zip(differences, chances, holm(chances), strict=True)]


def paired_t_test(differences: Values) -> float | None:
    """Return the two-sided p of mean difference = 0 (Student, 1908); None for fewer than two differences.

    Differences without any spread are the limit: 1 where they are 0, else 0.
    """
    present = np.array([value for value in differences if value is not None])
    if len(present) < 2:
        return None
    mean, spread = float(np.mean(present)), float(np.std(present, ddof=1))
    if np.ptp(present) <= 1e-12:  # what is left of it is rounding
        return float(abs(mean) <= 1e-12)
    return float(2 * stdtr(len(present) - 1, -abs(mean) * math.sqrt(len(present)) / spread))


def holm(chances: Sequence[float | None]) -> list[float | None]:
    """Return the p values adjusted so that any false "differs" among them has at most the level's chance.

    Holm (1979): the k-th smallest of m is multiplied by m − k + 1, and none may be smaller than the one before it.
    A test that could not be made (None) does not count.
    """
    adjusted: list[float | None] = [None] * len(chances)
    ranked = sorted((p, place) for place, p in enumerate(chances) if p is not None)
    largest = 0.0
    for rank, (p, place) in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * p))
        adjusted[place] = largest
    return adjusted
