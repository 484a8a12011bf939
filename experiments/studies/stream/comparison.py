"""One strategy beside another: differences paired over replications, and over test examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import Difference
from experiments.studies.stream.replications import over_replications
from workbench.statistics import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.studies.stream.final_outcomes import FinalOutcomes
    from experiments.studies.stream.replication_report import ReplicationReport

COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")


def compare(
    outcomes: FinalOutcomes, label: str, against: str, reports: Mapping[str, Sequence[ReplicationReport]]
) -> dict[str, Difference]:
    """Return the differences of ``label`` − ``against`` by metric, in the replications that both have finished."""
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
    return differences


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
