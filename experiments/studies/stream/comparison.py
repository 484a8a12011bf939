"""One strategy beside another: differences paired over replications, and over test examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.studies.stream.replications import over_replications
from workbench.statistics import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.studies.stream.final_outcomes import FinalOutcomes
    from experiments.studies.stream.replication_report import ReplicationReport

from experiments.reporting.differences import Difference

COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")


@dataclass(frozen=True)
class Comparison:
    """All differences between a strategy and the reference ``against``, by metric."""

    against: str
    differences: Mapping[str, Difference]

    def as_json(self) -> dict[str, Any]:
        """Return ``against`` and each difference under its metric's name."""
        return {
            "against": self.against,
            **{name: difference.as_json() for name, difference in self.differences.items()},
        }


def compare(
    outcomes: FinalOutcomes, label: str, against: str, reports: Mapping[str, Sequence[ReplicationReport]]
) -> Comparison:
    """Return the differences of ``label`` − ``against`` in the replications that both have finished."""
    pairs = [*zip(reports[label], reports[against], strict=True)]
    seeds = [ours.seed for ours, _ in pairs]
    differences = {}
    for name in COMPARED:
        gaps = over_replications((_minus(ours.metrics[name], theirs.metrics[name]) for ours, theirs in pairs), seeds)
        differences[name] = Difference(gaps)
    both = outcomes.paired(label, against, pairs)
    if both:
        bootstrap = paired_bootstrap(*both)
        differences["average_accuracy"] = Difference(differences["average_accuracy"].seeds, bootstrap)
    return Comparison(against, differences)


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
