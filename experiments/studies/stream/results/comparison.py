"""One strategy beside another: differences paired over replications, and over test examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.families import in_family
from experiments.reporting.replications import paired
from workbench.measures.granularity import score_step
from workbench.measures.statistics import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.reporting.declared_test import DeclaredTest
    from experiments.reporting.differences import Difference
    from experiments.studies.stream.results.final_outcomes import FinalOutcomes
    from experiments.studies.stream.results.record import Record
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
        differences[name] = paired(gaps, seeds, step_of(outcomes.record, name), examples)
    return differences


def adjusted(
    compared: Mapping[str, Mapping[str, Difference]], declared: DeclaredTest, against: Mapping[str, str] | None = None
) -> dict[str, dict[str, Difference]]:
    """Return differences, by label and metric, with each metric as one family; ``against`` what each label is taken."""
    families = {
        name: in_family({label: differences[name] for label, differences in compared.items()}, declared, against)
        for name in COMPARED
    }
    return {label: {name: family[label] for name, family in families.items()} for label in compared}


def step_of(record: Record, metric: str) -> float | None:
    """Return by how much a test example changes a metric; forgetting is a mean over all tasks but the last."""
    tasks = len(record.tasks)
    return score_step(record.test_sizes, tasks - 1 if metric == "forgetting" else tasks)


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
