"""One strategy beside another: differences paired over replications, and over test examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import Difference, in_family
from experiments.reporting.replications import independent, over_replications
from workbench.measures.statistics import paired_bootstrap, paired_t_test

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.studies.stream.results.final_outcomes import FinalOutcomes
    from experiments.studies.stream.results.replication_report import ReplicationReport

COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")


def compare(
    outcomes: FinalOutcomes, label: str, against: str, reports: Mapping[str, Sequence[ReplicationReport]]
) -> dict[str, Difference]:
    """Return the differences of ``label`` − ``against`` by metric, in the replications that both have finished."""
    pairs = [*zip(reports[label], reports[against], strict=True)]
    seeds = [ours.seed for ours, _ in pairs]
    differences = {}
    scores = outcomes.paired(label, against, pairs)
    for name in COMPARED:
        gaps = tuple(_minus(ours.metrics[name], theirs.metrics[name]) for ours, theirs in pairs)
        examples = paired_bootstrap(*scores) if scores and name == "average_accuracy" else None
        chance = paired_t_test(independent(gaps, seeds))
        differences[name] = Difference(over_replications(gaps, seeds), examples, chance, of_seeds=tuple(seeds))
    return differences


def adjusted(compared: Mapping[str, Mapping[str, Difference]]) -> dict[str, dict[str, Difference]]:
    """Return differences, by label and metric, with each metric as one family."""
    families = {
        name: in_family({label: differences[name] for label, differences in compared.items()}) for name in COMPARED
    }
    return {label: {name: family[label] for name, family in families.items()} for label in compared}


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
