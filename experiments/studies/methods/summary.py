"""A record into a report: means over tasks, intervals over seeds, differences from the reference, a recommendation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, TypeVar

from adapter_workbench.experiments.reporting.examples import ExamplePair, over_examples, scores_by_example, test_sizes
from adapter_workbench.experiments.reporting.learned_nothing import learned_nothing_in
from adapter_workbench.experiments.reporting.plain_verdicts import sentences
from adapter_workbench.experiments.reporting.power import timed
from adapter_workbench.experiments.reporting.replications import paired
from adapter_workbench.experiments.reporting.wording import unit
from adapter_workbench.experiments.studies.core.compare import in_one_family, planned
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.core.shared_texts import across_tasks
from adapter_workbench.experiments.studies.core.unit import Unit, of_whole_seeds
from adapter_workbench.experiments.studies.methods.recommend import recommend
from adapter_workbench.experiments.studies.methods.record import ComparisonRecord
from adapter_workbench.experiments.studies.methods.report import ComparisonReport
from adapter_workbench.experiments.studies.methods.row import Row
from adapter_workbench.workbench.measures.granularity import score_step
from adapter_workbench.workbench.measures.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.methods.record import Entry
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter

V = TypeVar("V")


def summarise(record: ComparisonRecord, outcomes: Callable[[str], Path], brief: bool = False) -> ComparisonReport:
    """Return the report on a comparison as far as it has come.

    Args:
        record: what was measured.
        outcomes: finds the file of a stored evaluation.
        brief: without what compares two methods.
    """
    rows = in_one_family([*_Summary(record, outcomes, brief).rows()], record, record.controls)
    advice = recommend(rows, record.reference, unit(record.kinds))
    sentence = advice.sentence if advice else "Nothing can be recommended yet."
    verdict = " ".join([sentence, *sentences(planned(rows), leading=advice.label if advice else None)])
    return ComparisonReport(record, rows, advice, record.judged(verdict, "adapters"))


@dataclass(frozen=True)
class _Summary:
    record: ComparisonRecord
    outcomes: Callable[[str], Path]
    brief: bool

    def rows(self) -> Iterable[Row]:
        for entry in self.record.entries:
            yield self._row(entry)

    @cached_property
    def cells(self) -> dict[str, dict[Unit, FittedAdapter]]:
        by_label: dict[str, dict[Unit, FittedAdapter]] = {entry.label: {} for entry in self.record.entries}
        for cell in self.record.cells:
            by_label[cell.label][Unit(cell.task, seed=cell.seed)] = cell
        return by_label

    @cached_property
    def correct(self) -> dict[str, pd.Series | None]:
        """Whether each test example was answered right, by evaluation, where the score is the share of those."""
        return {
            cell.evaluation: scores_by_example(self.outcomes(cell.evaluation), cell.score) for cell in self.record.cells
        }

    def _row(self, entry: Entry) -> Row:
        label, record = entry.label, self.record
        fits = self.cells[label]
        cells, scores = tuple(fits.values()), {unit: cell.score for unit, cell in fits.items()}
        return Row(
            label=label,
            method=entry.method,
            settings=entry.settings,
            score=interval(self._by_seed(scores)),
            tasks={task: interval(_of_seeds(scores, task, record.seeds)) for task in record.tasks},
            difference=self._difference(label),
            against=record.controls.get(label, ""),
            measured=record.costs.get(label),
            cells=cells,
            searches=tuple(search for search in record.searches if search.label == label),
            learned_nothing=tuple(
                (cell.task, cell.seed, why) for cell in cells if (why := self._learned_nothing(cell)) is not None
            ),
        )

    def _learned_nothing(self, cell: FittedAdapter) -> str | None:
        return learned_nothing_in(self.outcomes(cell.evaluation), cell.score, self.record.majority.get(cell.task))

    def _by_seed(self, values: Mapping[Unit, float]) -> list[float | None]:
        """Return for each seed the mean over tasks; None where a task is missing."""
        return [
            fmean(known) if len(known := [values[at] for at in units if at in values]) == len(units) else None
            for units in ([Unit(task, seed=seed) for task in self.record.tasks] for seed in self.record.seeds)
        ]

    def _difference(self, label: str) -> Difference | None:
        against = self.record.controls.get(label)
        if self.brief or against is None:
            return None
        ours, theirs = self.cells[label], self.cells[against]
        common = of_whole_seeds([at for at in ours if at in theirs], len(self.record.tasks))
        gaps = {at: ours[at].score - theirs[at].score for at in common}
        by_task = [[self._outcomes(at, ours, theirs) for at in gaps if at.task == task] for task in self.record.tasks]
        sizes, seeds = test_sizes(by_task), self.record.seeds
        on_tasks = [_of_seeds(gaps, task, seeds) for task in self.record.tasks]
        steps = [score_step([size]) for size in sizes]
        if across_tasks(self.record.shared_texts):
            on_tasks, steps = [], []  # their results are not independent: no stratified test
        shared = [self.record.shared_texts.get(task, {}) for task in self.record.tasks]
        examples = over_examples(by_task, shared)
        difference = paired(self._by_seed(gaps), seeds, score_step(sizes), examples, on_tasks, steps)
        return timed(difference, *(((at.seed, cell.seconds) for at, cell in side.items()) for side in (ours, theirs)))

    def _outcomes(
        self, at: Unit, ours: Mapping[Unit, FittedAdapter], theirs: Mapping[Unit, FittedAdapter]
    ) -> ExamplePair:
        return ExamplePair(at.seed, *(self.correct[fits[at].evaluation] for fits in (ours, theirs)))


def _of_seeds(values: Mapping[Unit, V], task: str, seeds: Iterable[int]) -> list[V | None]:
    """Return what is known of a task with each seed; None for what is not there."""
    return [values.get(Unit(task, seed=seed)) for seed in seeds]


report = reported(
    ComparisonRecord, lambda record, workspace, brief: summarise(record, workspace.evaluations.require_outcomes, brief)
)
