"""What stands in the place of whole confusion matrices where there are more tasks than anybody reads cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.reporting.cells import quantity, score, words
from experiments.reporting.presentation import Column, Medium, Table
from experiments.reporting.wording import plural
from experiments.studies.core.report import LONG
from experiments.studies.routing.tables import confusing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.studies.routing.report import RoutingReport
    from experiments.studies.routing.row import Row

WORST = 5  # pairs of tasks that are named for each router or joint model


def are_many(report: RoutingReport) -> bool:
    """Return whether there are too many tasks for tables and figures that show every cell."""
    return len(report.record.tasks) > LONG


def confused_most(report: RoutingReport) -> Table | None:
    """Return the pairs of tasks that each router or joint model confuses most; None where none confuses any."""
    tasks = report.record.tasks
    rows = [
        (words(row.label), words(tasks[true]), words(tasks[taken]), quantity(share))
        for row in confusing(report)
        for true, taken, share in _worst(row)
    ]
    if not rows:
        return None
    columns = (Column("who answers"), Column("task", left=True), Column("taken for", left=True), Column("texts"))
    note = (
        f"Up to {plural(WORST, 'pair')} of tasks for each: the share of the first task's test texts that were taken "
        "for the second, in percent, mean over seeds. Whole matrices are in the JSON document and in the CSV tables."
    )
    return Table("confused-most", "Tasks that are confused most", columns, rows, note, "Tasks confused most, percent")


def _worst(row: Row) -> Iterator[tuple[int, int, float]]:
    """Yield task, the other that it was taken for, and how often: the most frequent first, none that never happened."""
    shares = np.array(row.confusion)  # (T, T)
    np.fill_diagonal(shares, 0)
    for position in np.argsort(-shares, axis=None, kind="stable")[:WORST].tolist():
        true, taken = divmod(position, len(shares))
        if shares[true, taken] > 0:
            yield true, taken, float(shares[true, taken])


def by_task(report: RoutingReport) -> Table:
    """Return the accuracy on each task: a row for each task, a column for each router or joint model."""
    shown = report.scored
    rows = [(words(task), *(score(row.tasks[task]) for row in shown)) for task in report.record.tasks]
    return Table(
        "by-task",
        "Accuracy by task",
        (Column("task"), *(Column(row.label) for row in shown)),
        rows,
        note="Share of each task's test texts with the right task and the right label, in percent.",
        media=Medium.PAGE,
        folded=True,
    )
