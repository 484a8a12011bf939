"""Per-example outcomes after the last stage of a stream, for the bootstrap that compares two strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.reporting.examples import over_replications, scores_by_example, sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from experiments.studies.stream.results.record import Record
    from experiments.studies.stream.results.replication_report import ReplicationReport
    from workbench.measures.statistics import Array

    Sources = NDArray[np.int64]


class FinalOutcomes:
    """The outcomes of a record as they stand after the last stage; each file is read once."""

    def __init__(self, record: Record) -> None:
        """Read nothing yet."""
        self.record = record
        self._read: dict[tuple[str, int, int, str], pd.Series | None] = {}

    def paired(
        self, label: str, against: str, pairs: Sequence[tuple[ReplicationReport, ReplicationReport]]
    ) -> tuple[list[Array], list[Array]] | None:
        """Return for each task two arrays (n_j,): each example's mean score over common replications.

        None where an outcome file is missing, the two strategies were not tested on the same examples, or a task's
        score is not the mean of its examples' (as an F1 is not: a bootstrap of means would say nothing about it).
        """
        finished = [pair for pair in pairs if all(report.metrics["average_accuracy"] is not None for report in pair)]
        first, second = [], []
        for task in self.record.tasks if finished else ():
            scores = [
                (self.of_task(label, ours, task), self.of_task(against, theirs, task)) for ours, theirs in finished
            ]
            means = over_replications(scores)
            if means is None:
                return None
            first.append(means[0])
            second.append(means[1])
        return (first, second) if first else None

    def sources(self, label: str, pairs: Sequence[tuple[ReplicationReport, ReplicationReport]]) -> list[Sources] | None:
        """Return for each task an array (n_j,), in the order of :meth:`paired`: the same number for the same text.

        None where no test examples share their text; only after :meth:`paired` has found the outcomes.
        """
        if not self.record.shared_texts:
            return None
        ours = next(ours for ours, _ in pairs if ours.metrics["average_accuracy"] is not None)
        ids = []
        for task in self.record.tasks:
            scores = self.of_task(label, ours, task)
            assert scores is not None
            ids.append(np.unique(scores.index.to_numpy(dtype=object)))
        return sources(ids, [self.record.shared_texts.get(task, {}) for task in self.record.tasks])

    def of_task(self, label: str, report: ReplicationReport, task: str) -> pd.Series | None:
        """Return each test example's score by its id; None where that is not known, or their mean is not the score."""
        key = (label, report.seed, report.order, task)
        if key not in self._read:
            score = report.matrix[-1][report.tasks.index(task)]
            self._read[key] = scores_by_example(self.record.examples.get(key), score)
        return self._read[key]
