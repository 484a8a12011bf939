"""What replaces confusion matrices where there are too many tasks to read them cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.reporting.cells import quantity, score, words
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import plural
from adapter_workbench.experiments.studies.core.report import LONG
from adapter_workbench.experiments.studies.routing.tables import confusing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.studies.routing.report import RoutingReport
    from adapter_workbench.experiments.studies.routing.row import Row

WORST = 5  # pairs of tasks that are named for each router or joint model


@dataclass(frozen=True)
class Confused:
    """A task, another that it was taken for, by whom, and the share of its texts."""

    label: str
    task: str
    taken_for: str
    share: float


def are_many(report: RoutingReport) -> bool:
    """Return whether there are too many tasks for tables and figures that show every cell."""
    return len(report.record.tasks) > LONG


def confused_most(report: RoutingReport) -> Table | None:
    """Return the pairs of tasks that each router or joint model confuses most; None where none confuses any."""
    tasks = report.record.tasks
    confused = [pair for row in confusing(report) for pair in _worst(row, tasks)]
    if not confused:
        return None
    columns: list[Shown[Confused]] = [
        Shown(Column("who answers"), lambda pair: words(pair.label)),
        Shown(Column("task", left=True), lambda pair: words(pair.task)),
        Shown(Column("taken for", left=True), lambda pair: words(pair.taken_for)),
        Shown(Column("texts"), lambda pair: quantity(pair.share)),
    ]
    note = (
        f"Up to {plural(WORST, 'pair')} of tasks for each: the share of the first task's test texts that were taken "
        "for the second, in percent, mean over seeds. Whole matrices are in the JSON document and in the CSV tables."
    )
    short = "Tasks confused most, percent"
    return table("confused-most", "Tasks that are confused most", confused, columns, note, short)


def _worst(row: Row, tasks: Sequence[str]) -> Iterator[Confused]:
    """Yield what was confused most, the most frequent first, none that never happened."""
    shares = np.array(row.confusion)  # (T, T)
    np.fill_diagonal(shares, 0)
    for position in np.argsort(-shares, axis=None, kind="stable")[:WORST].tolist():
        true, taken = divmod(position, len(shares))
        if shares[true, taken] > 0:
            yield Confused(row.label, tasks[true], tasks[taken], float(shares[true, taken]))


def by_task(report: RoutingReport) -> Table:
    """Return the accuracy on each task: a row for each task, a column for each router or joint model."""

    def accuracy(row: Row, task: str) -> Cell:
        return score(row.tasks[task])

    return table(
        "by-task",
        "Accuracy by task",
        report.record.tasks,
        [
            Shown(Column("task"), words),
            *(Shown(Column(row.label), partial(accuracy, row)) for row in report.scored),
        ],
        note="Share of each task's test texts with the right task and the right label, in percent.",
        media=Medium.PAGE,
        folded=True,
    )
