"""Every two strategies beside each other: paired t-tests, adjusted for how many of them there are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from experiments.reporting.differences import SAME, reading
from experiments.studies.stream.comparison import COMPARED, compare
from experiments.studies.stream.replications import independent
from workbench.statistics import holm, paired_t_test

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.reporting.differences import Difference
    from experiments.studies.stream.final_outcomes import FinalOutcomes
    from experiments.studies.stream.replication_report import ReplicationReport

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
    both = [*combinations(labels, 2)]
    compared = [compare(outcomes, first, second, reports) for first, second in both]
    seeds = [report.seed for report in reports[labels[0]]] if labels else []
    tests = {name: _tests([differences[name] for differences in compared], seeds) for name in COMPARED}
    return tuple(
        Pair(first, second, {name: tests[name][place] for name in COMPARED})
        for place, (first, second) in enumerate(both)
    )


def _tests(differences: Sequence[Difference], seeds: Sequence[int]) -> list[Contrast]:
    chances = [paired_t_test(independent(one.seeds.values, seeds)) for one in differences]
    return [Contrast(*parts) for parts in zip(differences, chances, holm(chances), strict=True)]
