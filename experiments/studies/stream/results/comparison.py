"""One strategy beside another: differences paired over replications, and over test examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.power import timed
from adapter_workbench.experiments.reporting.replications import paired
from adapter_workbench.experiments.studies.core.shared_texts import across_tasks
from adapter_workbench.workbench.measures.granularity import score_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.examples import OverExamples
    from adapter_workbench.experiments.studies.stream.results.final_outcomes import FinalOutcomes, ReplicationPair
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport

COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")


def compare(
    outcomes: FinalOutcomes, pairs: Iterable[tuple[str, str]], reports: Mapping[str, Sequence[ReplicationReport]]
) -> list[dict[str, Difference]]:
    """Return of each pair of labels the differences, first − second, in the replications that both have finished."""
    replications = {(label, against): [*zip(reports[label], reports[against], strict=True)] for label, against in pairs}
    all_over_examples = outcomes.compared(replications)
    return [
        _differences(outcomes.record, labels, own, over_examples)
        for (labels, own), over_examples in zip(replications.items(), all_over_examples, strict=True)
    ]


def _differences(
    record: Record, labels: tuple[str, str], pairs: Sequence[ReplicationPair], over_examples: OverExamples | None
) -> dict[str, Difference]:
    """Return the differences of two entries by metric."""
    seeds = [ours.seed for ours, _ in pairs]
    entries = {entry.label: entry for entry in record.entries}
    apart = tasks_are_apart(record) and all(entries[side].fits_tasks_apart for side in labels)
    differences, took = {}, [_seconds(side) for side in zip(*pairs, strict=True)]
    for name in COMPARED:
        gaps = tuple(_minus(ours.metrics[name], theirs.metrics[name]) for ours, theirs in pairs)
        examples = over_examples if name == "average_accuracy" else None
        by_task = _by_task(record, pairs, name) if apart else ()
        steps = [score_step([size]) for size in record.test_sizes] if by_task else ()
        difference = paired(gaps, seeds, step_of(record, name), examples, by_task, steps)
        differences[name] = timed(difference, *took)
    return differences


def _seconds(side: Sequence[ReplicationReport]) -> list[tuple[int, float]]:
    """Return the seed and the seconds of each replication that is finished."""
    return [(replication.seed, replication.seconds) for replication in side if replication.complete]


def _by_task(record: Record, pairs: Sequence[ReplicationPair], metric: str) -> list[list[float | None]]:
    """Return for each task the gaps of its scores, one a replication; nothing for forgetting, which is 0 throughout."""
    if metric == "forgetting":
        return []

    def score(side: ReplicationReport, task: str) -> float | None:
        column = side.tasks.index(task)
        return side.matrix[-1 if metric == "average_accuracy" else side.learned_at[task]][column]

    return [[_minus(score(ours, task), score(theirs, task)) for ours, theirs in pairs] for task in record.tasks]


def by_metric(
    compared: Mapping[str, Mapping[str, Difference]],
    family: Callable[[str, Mapping[str, Difference]], Mapping[str, Difference]],
) -> dict[str, dict[str, Difference]]:
    """Return differences, by label and metric, with each metric as one ``family``, which takes its name."""
    families = {
        name: family(name, {label: differences[name] for label, differences in compared.items()}) for name in COMPARED
    }
    return {label: {name: own[label] for name, own in families.items()} for label in compared}


def tasks_are_apart(record: Record) -> bool:
    """Return whether entries that fit each task apart also answer each apart: the task is known, none shares texts."""
    return record.scenario == "task-incremental" and record.overlap is None and not across_tasks(record.shared_texts)


def step_of(record: Record, metric: str) -> float | None:
    """Return by how much a test example changes a metric; forgetting is a mean over tasks that count before the end."""
    tasks = len(record.tasks)
    last_one = 0 if record.examined else 1
    return score_step(record.test_sizes, tasks - last_one if metric == "forgetting" else tasks)


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
