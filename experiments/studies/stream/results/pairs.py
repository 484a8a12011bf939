"""Pairs of strategies that no recipe declares: every two besides the reference, adjusted for how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from experiments.studies.stream.results.comparison import adjusted, compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.reporting.differences import Difference
    from experiments.studies.stream.results.final_outcomes import FinalOutcomes
    from experiments.studies.stream.results.replication_report import ReplicationReport


@dataclass(frozen=True)
class Pair:
    """Two strategies, and first − second by metric."""

    first: str
    second: str
    differences: Mapping[str, Difference]

    def as_json(self) -> dict[str, Any]:
        """Return both labels and each difference under its metric's name."""
        differences = {name: difference.as_json() for name, difference in self.differences.items()}
        return {"first": self.first, "second": self.second, **differences}


def all_pairs(
    outcomes: FinalOutcomes, labels: Sequence[str], reports: Mapping[str, Sequence[ReplicationReport]]
) -> tuple[Pair, ...]:
    """Return every two of ``labels``, in their order, as one family for each metric."""
    pairs = [*combinations(labels, 2)]
    compared = {f"{first} − {second}": compare(outcomes, first, second, reports) for first, second in pairs}
    return tuple(
        Pair(*labels, differences) for labels, differences in zip(pairs, adjusted(compared).values(), strict=True)
    )
