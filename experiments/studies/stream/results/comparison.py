"""One strategy beside another: differences paired over replications, and over test examples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

from adapter_workbench.experiments.reporting.declared_test import DeclaredTest
from adapter_workbench.experiments.reporting.examples import ExamplePair, over_examples_of_each, scores_by_example
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.reporting.power import timed
from adapter_workbench.experiments.reporting.replications import mean_sides, paired
from adapter_workbench.experiments.studies.core.against import controls
from adapter_workbench.experiments.studies.core.shared_texts import across_tasks
from adapter_workbench.workbench.measures.granularity import score_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.examples import OverExamples
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport

COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")
ReplicationPair: TypeAlias = "tuple[ReplicationReport, ReplicationReport]"


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
        scores = [[side.metrics[name] for side in both] for both in zip(*pairs, strict=True)]
        sides = mean_sides(*scores) if scores and name != "forgetting" else None
        difference = paired(gaps, seeds, step_of(record, name), examples, by_task, steps, sides)
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


# Per-example outcomes after the last stage of a stream: what the test examples tell of two strategies.


class FinalOutcomes:
    """The outcomes of a record as they stand after the last stage; each file is read once."""

    def __init__(self, record: Record) -> None:
        """Read nothing yet."""
        self.record = record
        self._read: dict[tuple[str, int, int, str], pd.Series | None] = {}
        self._ids: dict[str, pd.Index] = {}

    def compared(self, pairs: Mapping[tuple[str, str], Sequence[ReplicationPair]]) -> list[OverExamples | None]:
        """Return what the test examples tell of each difference in average accuracy, in the replications of both.

        None where an outcome file is missing, the two strategies were not tested on the same examples, or a task's
        score is not the mean of its examples' (as an F1 is not: a variance of means would say nothing about it).

        Args:
            pairs: two labels → their replications, side by side.
        """
        comparisons = (self._problems(*labels, replications) for labels, replications in pairs.items())
        return over_examples_of_each(
            comparisons, [self.record.shared_texts.get(task, {}) for task in self.record.tasks]
        )

    def _problems(
        self, label: str, against: str, replications: Sequence[ReplicationPair]
    ) -> Iterator[list[ExamplePair]]:
        """Yield for each task the scores of both, in the replications that both have finished."""
        finished = [
            pair for pair in replications if all(report.metrics["average_accuracy"] is not None for report in pair)
        ]
        for task in self.record.tasks if finished else ():
            yield [
                ExamplePair(ours.seed, self.of_task(label, ours, task), self.of_task(against, theirs, task))
                for ours, theirs in finished
            ]

    def of_task(self, label: str, report: ReplicationReport, task: str) -> pd.Series | None:
        """Return each test example's score by its id; None where that is not known, or their mean is not the score."""
        key = (label, report.seed, report.order, task)
        if key not in self._read:
            score = report.matrix[-1][report.tasks.index(task)]
            scores = scores_by_example(self.record.examples.get(key), score)
            if scores is not None and scores.index.equals(ids := self._ids.setdefault(task, scores.index)):
                scores.index = ids  # one object for all replications: equal ids are then found equal at once
            self._read[key] = scores
        return self._read[key]


# Which two strategies a recipe compares, and all others: every two besides, adjusted for how many there are.


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


def declared_pairs(record: Record) -> dict[str, str]:
    """Return label → the entry that the recipe compares it with: its ``against``, else the reference.

    The reference is compared with nothing, nor are entries at further learning rates.
    """
    return controls([entry for entry in record.entries if entry.frontier is None], record.reference)


def other_pairs(
    outcomes: FinalOutcomes,
    labels: Sequence[str],
    declared: Mapping[str, str],
    reports: Mapping[str, Sequence[ReplicationReport]],
    margin: float | None,
) -> tuple[Pair, ...]:
    """Return every two of ``labels`` that are not ``declared``, tested paired, as one family for each metric."""
    asked = {frozenset(pair) for pair in declared.items()}
    pairs = [pair for pair in combinations(labels, 2) if frozenset(pair) not in asked]
    names = (f"{first} − {second}" for first, second in pairs)
    compared = dict(zip(names, compare(outcomes, pairs, reports), strict=True))
    family = by_metric(compared, lambda _, gaps: in_family(gaps, DeclaredTest(margin=margin)))
    return tuple(Pair(*labels, differences) for labels, differences in zip(pairs, family.values(), strict=True))
