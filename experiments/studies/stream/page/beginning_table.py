"""What people see of how fast new tasks are learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import UNKNOWN, plain, score, words
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import unit

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.report import Report


def beginning_table(report: Report) -> Table | None:
    """Return how the fits of each strategy went; None where that is not known, or there is one strategy."""
    beginnings = report.beginnings
    if len(beginnings) < 2:
        return None

    def gained(label: str) -> Cell:
        gain = beginnings[label].gained
        return score(gain) if gain else UNKNOWN

    columns: list[Shown[str]] = [
        Shown(Column("strategy"), words),
        Shown(Column("after one epoch"), lambda label: score(beginnings[label].first)),
        Shown(Column("area under the curve"), lambda label: score(beginnings[label].area)),
        Shown(Column("area − reference's"), gained),
        Shown(Column("epochs to the reference's best"), lambda label: plain(beginnings[label].epochs)),
    ]
    note = (
        f"Scores on validation while a task is learned, {unit(report.record.kinds).words}: mean over the tasks from "
        "the second on. The area under the curve is the mean over epochs. The last column counts epochs until the "
        "score is what the reference reaches at its best on the same task; where it never is, one more than there "
        "were. With the 95 % interval over replications. Exploratory: no claim is made from this table."
    )
    return table(
        "beginnings", "How fast new tasks are learned", beginnings, columns, note, media=Medium.PAGE, folded=True
    )
