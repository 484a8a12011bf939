"""A record into a report: metrics of each entry, means over tasks, intervals over seeds, differences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.examples import ExamplePair, over_examples, scores_by_example
from adapter_workbench.experiments.reporting.learned_nothing import learned_nothing_in
from adapter_workbench.experiments.reporting.plain_verdicts import sentences
from adapter_workbench.experiments.reporting.power import timed
from adapter_workbench.experiments.reporting.replications import paired
from adapter_workbench.experiments.studies.core.compare import planned
from adapter_workbench.experiments.studies.core.planned import planned_family
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.core.shared_texts import across_tasks
from adapter_workbench.experiments.studies.core.unit import Unit, of_whole_seeds
from adapter_workbench.experiments.studies.updates.measures import GAINS, NEW, OLD, SCORE, VersionScores
from adapter_workbench.experiments.studies.updates.quantities import METRICS
from adapter_workbench.experiments.studies.updates.record import UpdatesRecord
from adapter_workbench.experiments.studies.updates.report import UpdatesReport
from adapter_workbench.experiments.studies.updates.row import Row
from adapter_workbench.workbench.measures.granularity import score_step
from adapter_workbench.workbench.measures.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.examples import OverExamples
    from adapter_workbench.experiments.studies.updates.record import Entry, VersionAdapter

COMPARED = tuple(metric.name for metric in METRICS if metric.name != GAINS)  # flips back say no more than the score
ROWS: Mapping[
    str, Callable[[VersionScores], pd.Series]
] = {  # metrics that are means over test rows of the last version
    SCORE: lambda tested: tested.versions[-1],
    OLD: lambda tested: tested.old_rows,
    NEW: lambda tested: tested.new_rows,
}


def summarise(record: UpdatesRecord, outcomes: Callable[[str], Path], brief: bool = False) -> UpdatesReport:
    """Return the report on a comparison as far as it has come.

    Args:
        record: what was measured.
        outcomes: finds the file of a stored evaluation.
        brief: without what compares two entries.
    """
    rows = _in_families([*_Summary(record, outcomes, brief).rows()], record)
    return UpdatesReport(record, rows, record.judged(" ".join(sentences(planned(rows))), "adapters"))


def _in_families(rows: Sequence[Row], record: UpdatesRecord) -> tuple[Row, ...]:
    """Return the rows with their differences as the declared test sees them: each metric is a family."""
    adjusted: dict[str, dict[str, Difference]] = {row.label: {} for row in rows}
    for metric in COMPARED:
        own = {row.label: row.differences[metric] for row in rows if metric in row.differences}
        family = planned_family(own, record.declared_test, record.settled.get(metric, {}), record.controls)
        for label, difference in family.items():
            adjusted[label][metric] = difference
    return tuple(replace(row, differences=adjusted[row.label]) for row in rows)


@dataclass(frozen=True)
class _Summary:
    record: UpdatesRecord
    outcomes: Callable[[str], Path]
    brief: bool

    def rows(self) -> Iterator[Row]:
        yield from map(self._row, self.record.entries)

    @cached_property
    def cells(self) -> dict[str, dict[Unit, list[VersionAdapter]]]:
        """Label → task and seed → the adapters of its versions, in their order."""
        by_label: dict[str, dict[Unit, list[VersionAdapter]]] = {entry.label: {} for entry in self.record.entries}
        for cell in sorted(self.record.cells, key=lambda cell: cell.version):
            by_label[cell.label].setdefault(Unit(cell.task, seed=cell.seed), []).append(cell)
        return by_label

    @cached_property
    def tested(self) -> dict[str, dict[Unit, VersionScores]]:
        """Label → task and seed → what its versions score, where all of them are there."""
        return {
            label: {at: tested for at, cells in chains.items() if (tested := self._tested(cells)) is not None}
            for label, chains in self.cells.items()
        }

    def _tested(self, cells: Sequence[VersionAdapter]) -> VersionScores | None:
        if len(cells) < self.record.versions:
            return None
        scores = [self._by_example[cell.fitted.evaluation] for cell in cells]
        return VersionScores([of for of in scores if of is not None]) if all(of is not None for of in scores) else None

    @cached_property
    def _by_example(self) -> dict[str, pd.Series | None]:
        """Whether each test row was answered rightly, by evaluation: entries share that of the first version."""
        scores = {cell.fitted.evaluation: cell.fitted.score for cell in self.record.cells}
        return {evaluation: scores_by_example(self.outcomes(evaluation), score) for evaluation, score in scores.items()}

    def _row(self, entry: Entry) -> Row:
        label, record = entry.label, self.record
        cells, tested = self.cells[label], self.tested[label]
        scores = {
            (at, cell.version): cell.fitted.score for at, chain in cells.items() for cell in chain
        }  # as far as versions are there
        return Row(
            label=label,
            way=entry.way,
            method=entry.method,
            settings=entry.settings,
            metrics={
                metric.name: interval(self._by_seed({at: of.metrics[metric.name] for at, of in tested.items()}))
                for metric in METRICS
            },
            tasks={task: interval(self._of_seeds(tested, task, SCORE)) for task in record.tasks},
            versions={
                task: [
                    interval(scores.get((Unit(task, seed=seed), number)) for seed in record.seeds)
                    for number in range(1, record.versions + 1)
                ]
                for task in record.tasks
            },
            cells=tuple(cell for chain in cells.values() for cell in chain),
            differences={} if self.brief else self._differences(label),
            against=record.controls.get(label, ""),
            learned_nothing=tuple(self._learned_nothing(label)),
        )

    def _learned_nothing(self, label: str) -> Iterator[tuple[str, int, str]]:
        for at in self.tested[label]:
            last = self.cells[label][at][-1].fitted
            why = learned_nothing_in(self.outcomes(last.evaluation), last.score, self.record.majority.get(at.task))
            if why is not None:
                yield at.task, at.seed, why

    def _by_seed(self, values: Mapping[Unit, float]) -> list[float | None]:
        """Return for each seed the mean over tasks; None where a task is missing."""
        units = ([Unit(task, seed=seed) for task in self.record.tasks] for seed in self.record.seeds)
        return [fmean(values[at] for at in own) if all(at in values for at in own) else None for own in units]

    def _of_seeds(self, tested: Mapping[Unit, VersionScores], task: str, metric: str) -> list[float | None]:
        """Return a metric on one task with each seed; None for what is not there."""
        known = (tested.get(Unit(task, seed=seed)) for seed in self.record.seeds)
        return [None if of is None else of.metrics[metric] for of in known]

    def _differences(self, label: str) -> dict[str, Difference]:
        against = self.record.controls.get(label)
        if against is None:
            return {}
        ours, theirs = self.tested[label], self.tested[against]
        common = of_whole_seeds([at for at in ours if at in theirs], len(self.record.tasks))
        return {metric: self._difference(label, against, common, metric) for metric in COMPARED}

    def _difference(self, label: str, against: str, common: Sequence[Unit], metric: str) -> Difference:
        ours, theirs, seeds = self.tested[label], self.tested[against], self.record.seeds
        gaps = {at: ours[at].metrics[metric] - theirs[at].metrics[metric] for at in common}
        sizes = [
            min((ours[at].sizes[metric] for at in common if at.task == task), default=0) for task in self.record.tasks
        ]
        on_tasks = [[gaps.get(Unit(task, seed=seed)) for seed in seeds] for task in self.record.tasks]
        step = score_step(sizes) if all(sizes) else None
        steps = [score_step([size]) if size else None for size in sizes]
        if across_tasks(self.record.shared_texts):
            on_tasks, steps = [], []  # their results are not independent: no stratified test
        difference = paired(
            self._by_seed(gaps), seeds, step, self._over_examples(ours, theirs, common, metric), on_tasks, steps
        )
        return timed(difference, *(self._seconds(of) for of in (label, against)))

    def _over_examples(
        self,
        ours: Mapping[Unit, VersionScores],
        theirs: Mapping[Unit, VersionScores],
        common: Sequence[Unit],
        metric: str,
    ) -> OverExamples | None:
        rows = ROWS.get(metric)
        if rows is None:
            return None
        return over_examples(
            [
                [ExamplePair(at.seed, rows(ours[at]), rows(theirs[at])) for at in common if at.task == task]
                for task in self.record.tasks
            ]
        )

    def _seconds(self, label: str) -> Iterator[tuple[int, float]]:
        return ((at.seed, cell.fitted.seconds) for at, chain in self.cells[label].items() for cell in chain)


report = reported(
    UpdatesRecord, lambda record, workspace, brief: summarise(record, workspace.evaluations.require_outcomes, brief)
)
