"""A record into a report: means over tasks, intervals over seeds, differences from the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.reporting.examples import PairedOutcomes, of_outcomes
from adapter_workbench.experiments.reporting.learned_nothing import learned_nothing_in
from adapter_workbench.experiments.reporting.power import timed
from adapter_workbench.experiments.reporting.replications import paired
from adapter_workbench.experiments.studies.core.compare import in_one_family
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.routing.record import RoutingRecord
from adapter_workbench.experiments.studies.routing.report import RoutingReport
from adapter_workbench.experiments.studies.routing.row import AdapterRow, Row
from adapter_workbench.experiments.studies.routing.verdict import verdict
from adapter_workbench.workbench.measures.granularity import score_step
from adapter_workbench.workbench.measures.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.routing.record import Entry, EntryResult
    from adapter_workbench.workbench.measures.statistics import Array


def summarise(record: RoutingRecord, outcomes: Callable[[str], Path], brief: bool = False) -> RoutingReport:
    """Return the report on a comparison as far as it has come.

    Args:
        record: what was measured.
        outcomes: finds the file of a stored evaluation.
        brief: without what compares two entries.
    """
    summary = _Summary(record, outcomes, brief)
    rows = in_one_family([*map(summary.row, record.entries)], record, record.controls)
    adapters = tuple(map(summary.adapter, record.tasks))
    report = RoutingReport(record, rows, adapters)
    return replace(report, verdict=verdict(report))


@dataclass(frozen=True)
class _Summary:
    record: RoutingRecord
    outcomes: Callable[[str], Path]
    brief: bool

    @cached_property
    def cells(self) -> dict[str, dict[int, EntryResult]]:
        """Label → seed → what it gave."""
        by_label: dict[str, dict[int, EntryResult]] = {entry.label: {} for entry in self.record.entries}
        for cell in self.record.cells:
            by_label[cell.label][cell.seed] = cell
        return by_label

    def row(self, entry: Entry) -> Row:
        """Return the row of one router or joint model."""
        cells = self.cells[entry.label]
        outcomes = [cells[seed].outcome if seed in cells else None for seed in self.record.seeds]
        accuracies = [outcome.accuracies if outcome else None for outcome in outcomes]
        confusions = [outcome.confusion for outcome in outcomes if outcome]
        mean = np.mean(confusions, axis=0).tolist() if confusions else []
        return Row(
            label=entry.label,
            role=entry.role,
            name=entry.name,
            settings=entry.settings,
            accuracy=interval(outcome.accuracy if outcome else None for outcome in outcomes),
            tasks={
                task: interval(scores[index] if scores else None for scores in accuracies)
                for index, task in enumerate(self.record.tasks)
            },
            routing_accuracy=interval(outcome.routing_accuracy if outcome else None for outcome in outcomes),
            confusion=tuple(map(tuple, mean)),
            difference=self._difference(entry.label),
            against=self.record.controls.get(entry.label, ""),
            cells=tuple(cells.values()),
        )

    def adapter(self, task: str) -> AdapterRow:
        """Return the row of one task's adapters."""
        adapters = {fit.seed: fit for fit in self.record.adapters if fit.task == task}
        failures = (
            (fit.seed, learned_nothing_in(self.outcomes(fit.evaluation), fit.score)) for fit in adapters.values()
        )
        return AdapterRow(
            task=task,
            score=interval(adapters[seed].score if seed in adapters else None for seed in self.record.seeds),
            adapters=tuple(adapters.values()),
            learned_nothing=tuple((seed, why) for seed, why in failures if why is not None),
        )

    def _difference(self, label: str) -> Difference | None:
        """Return the difference in accuracy; None for the reference itself.

        Each text's outcomes are those of the seeds that both have.
        """
        against = self.record.controls.get(label)
        if self.brief or against is None:
            return None
        ours, theirs = self.cells[label], self.cells[against]
        common = [seed for seed in self.record.seeds if seed in ours and seed in theirs]
        gaps = [
            ours[seed].outcome.accuracy - theirs[seed].outcome.accuracy if seed in common else None
            for seed in self.record.seeds
        ]
        if not common:
            return paired(gaps, self.record.seeds)
        first, second = (_by_task([cells[seed] for seed in common]) for cells in (ours, theirs))
        sizes = [scores.shape[-1] for scores in first]
        outcomes = [PairedOutcomes(np.arange(size), *pair) for size, *pair in zip(sizes, first, second, strict=True)]
        difference = paired(gaps, self.record.seeds, score_step(sizes), of_outcomes(outcomes))
        return timed(difference, *(((seed, self._seconds(cell)) for seed, cell in of.items()) for of in (ours, theirs)))

    def _seconds(self, cell: EntryResult) -> float:
        """Return what an entry took with its seed; a router needs that seed's adapters."""
        adapters = (fit.seconds for fit in self.record.adapters if fit.seed == cell.seed)
        return (cell.fit_seconds or 0.0) + (math.fsum(adapters) if cell.milliseconds is not None else 0.0)


def _by_task(cells: Sequence[EntryResult]) -> list[Array]:
    """Return for each task whether each of its texts was answered rightly with each seed, (S, n_j)."""
    by_task = zip(*(cell.outcome.scores for cell in cells), strict=True)
    return [np.array(scores, dtype=float) for scores in by_task]


report = reported(
    RoutingRecord, lambda record, workspace, brief: summarise(record, workspace.evaluations.require_outcomes, brief)
)
