"""The tables of a study of repairs: what each brings back, and the tasks that the best changes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import NOTHING, gap, minus_reference, quantity, words
from adapter_workbench.experiments.reporting.differences import by_which_test
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import number, unit
from adapter_workbench.experiments.studies.core.quantity import shown_in
from adapter_workbench.experiments.studies.repair.quantities import COST, ROW, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapter_workbench.experiments.studies.repair.report import EntryReport, RepairReport
    from adapter_workbench.experiments.studies.repair.row import Row

MOST_MOVED = 10  # tasks, on a terminal
LABEL = Shown(Column("repair"), lambda row: words(row.label))  # type: ignore[var-annotated]
GAIN = Shown(  # type: ignore[var-annotated]
    Column("gain"), lambda row: words("", badge="control") if row.is_control else minus_reference(row.difference)
)
MINUS_CONTROL = Shown(  # type: ignore[var-annotated]
    Column("minus control"), lambda row: gap(row.minus_control) if row.minus_control else NOTHING
)


def repairs(report: RepairReport) -> Table:
    """Return what is answered with nothing done and after each repair, entry by entry."""
    scale = unit(report.record.kinds)
    return table(
        TABLE,
        "What repairs bring back",
        report.rows,
        [
            LABEL,
            *shown_in(TABLE, ROW),
            *_differences(report),
            Shown(Column("chosen", left=True), _chosen),
            *shown_in(TABLE, COST),
        ],
        note=f"{scale.title} on the test splits, means over replications with 95 % intervals. An entry's own row is "
        "that with nothing done. Retention: the share of what was learned of the earlier tasks that is there. Gain: "
        "average after − average with nothing done, in points; the repairs of one entry are one family"
        f"{by_which_test(report.declared.values())}. {_about_controls(report)}Validation chose among the "
        "attempts and doing nothing; the test splits were read once.",
        short=f"Test splits, in {scale.words}",
    )


def summary(report: RepairReport) -> Table:
    """Return the table that a description has room for."""
    return table("summary", "", report.rows, [LABEL, *shown_in("summary", ROW), *_differences(report)])


def _differences(report: RepairReport) -> list[Shown[Row]]:
    return [GAIN, *([MINUS_CONTROL] if report.minus_controls else [])]


def _about_controls(report: RepairReport) -> str:
    """Return what the column of differences from controls is; nothing where there is none."""
    if not report.minus_controls:
        return ""
    return (
        "Minus control: average − average of heads on the frozen backbone, fitted on as many labelled rows as the "
        "repair reads, in points; another such family. "
    )


def _chosen(row: Row) -> Cell:
    return words("; ".join(dict.fromkeys(_attempt(repaired.chosen) for repaired in row.repaired)))


def _attempt(chosen: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in chosen.items()) or "nothing"


def moved(entry: EntryReport, best: Row) -> Iterator[Table]:
    """Yield the tasks that the ``best`` repair of an entry changes, most first; on a terminal, a few of many."""
    tasks, points = [*entry.moved.items()], partial(number, signed=True)
    long = len(tasks) > MOST_MOVED
    whole = table(
        f"changed-by-{best.label}",
        f"What {best.label} changes most",
        tasks,
        [
            Shown(Column("task"), lambda item: words(item[0])),
            Shown(Column("before"), lambda item: quantity(item[1][0])),
            Shown(Column("after"), lambda item: quantity(item[1][1])),
            Shown(Column("difference"), lambda item: quantity(item[1][1] - item[1][0], points)),
        ],
        note="Mean scores on the test splits, in percent.",
        media=Medium.PAGE if long else Medium.ANY,
    )
    if whole.rows:
        yield whole
    if long:
        some = f"{whole.title}, {MOST_MOVED} of {len(tasks)} tasks"
        yield replace(whole, name=f"{whole.name}-most", title=some, rows=whole.rows[:MOST_MOVED], media=Medium.TERMINAL)
