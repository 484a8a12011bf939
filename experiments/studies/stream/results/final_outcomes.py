"""Per-example outcomes after the last stage of a stream: what the test examples tell of two strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from adapter_workbench.experiments.reporting.examples import ExamplePair, over_examples_of_each, scores_by_example

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from adapter_workbench.experiments.reporting.examples import OverExamples
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport

ReplicationPair: TypeAlias = "tuple[ReplicationReport, ReplicationReport]"


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
