"""What people see of repairs: tables, notes, MLflow runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting import cells
from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.differences import by_which_test
from adapter_workbench.experiments.reporting.power import SEEDS_OF_STREAM
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Sentences, Tracking
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import number, plural, settings, tasks_named, unit
from adapter_workbench.experiments.studies.core.closing import closing
from adapter_workbench.experiments.studies.core.data_sources import used
from adapter_workbench.experiments.studies.core.quantity import points, shown_in
from adapter_workbench.experiments.studies.core.rows import tracked
from adapter_workbench.experiments.studies.repair.report import (
    CONTROLS,
    COST,
    METRICS,
    REPAIR,
    ROW,
    SUMMARY,
    TABLE,
    RepairReport,
    Rows,
)
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.reporting.presentation import Block, Presentation, Table
    from adapter_workbench.experiments.studies.core.rows import Replication

MOST_MOVED = 10  # tasks, on a terminal


def present(report: RepairReport) -> Presentation:
    """Return what people see of a report on repairs."""
    record, title = report.record, f"repairs of {report.record.stream}"
    facts = (title, tasks_named(record.tasks), plural(len(record.seeds), "seed"))
    note = (
        f"Repairs of the stream {escape(record.stream)}, on {escape(record.backbone)}. Each run is one comparison with "
        "doing nothing: its description holds the verdict, its artifacts the report. Below it is a run for each repair "
        "and seed."
    )
    return report.presented(title, facts, _blocks, _tracking, note)


def _blocks(report: RepairReport) -> Iterator[Block]:
    record = report.record
    yield _repairs(report)
    if refused := [f"{entry.label}: not possible, {entry.refused}" for entry in record.entries if entry.refused]:
        yield Sentences(refused, Medium.ANY)
    yield from below_differences(report.declared, "average accuracy", continued=SEEDS_OF_STREAM)
    for label in report.entries:
        if best := report.best(label):
            yield from _moved(report.moved(label), best.label)
    circumstances = [("stream", record.stream), ("budget", settings(used(record.budget, record.precision)))]
    circumstances += [(entry.name, f"{entry.repair}, {settings(entry.settings)}") for entry in record.entries]
    yield from closing(report, dict.fromkeys(circumstances), compared=0)


LABEL: Shown[Any] = Shown(Column("repair"), lambda row: cells.words(row.label))


def _differences(report: RepairReport) -> list[Shown[Rows]]:
    def gain(row: Rows) -> Cell:
        return cells.words("", badge="control") if row.entry.is_control else cells.minus_reference(row.difference)

    def of_replication(row: Rows, at: Replication) -> Iterator[Point]:
        for of in row.of(at):
            yield from points(METRICS, of, 0)
            if of.repaired:
                yield from points(REPAIR, of.repaired, 0)

    def minus_control(row: Rows) -> Cell:
        return cells.gap(row.differences[CONTROLS]) if CONTROLS in row.differences else cells.NOTHING

    columns = [Shown(Column("gain"), gain), Shown(Column("minus control"), minus_control)]
    return columns if report.families[CONTROLS] else columns[:1]


def _repairs(report: RepairReport) -> Table:
    scale = unit(report.record.kinds)
    controls = (
        "Minus control: average − average of heads on the frozen backbone, fitted on as many labelled rows as the "
        "repair reads, in points; another such family. "
    )
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
        f"{by_which_test(report.declared.values())}. {controls if report.families[CONTROLS] else ''}Validation chose "
        "among the attempts and doing nothing; the test splits were read once.",
        short=f"Test splits, in {scale.words}",
    )


def _chosen(row: Rows) -> Cell:
    attempts = [of.repaired.chosen for of in row.cells if of.repaired]
    named = [", ".join(f"{name} {value:g}" for name, value in of.items()) or "nothing" for of in attempts]
    return cells.words("; ".join(dict.fromkeys(named)))


def _moved(moved: Mapping[str, tuple[float, float]], best: str) -> Iterator[Table]:
    """Yield the tasks that the ``best`` repair of an entry changes, most first; on a terminal, a few of many."""
    long = len(moved) > MOST_MOVED
    whole = table(
        f"changed-by-{best}",
        f"What {best} changes most",
        moved.items(),
        [
            Shown(Column("task"), lambda item: cells.words(item[0])),
            Shown(Column("before"), lambda item: cells.quantity(item[1][0])),
            Shown(Column("after"), lambda item: cells.quantity(item[1][1])),
            Shown(
                Column("difference"), lambda item: cells.quantity(item[1][1] - item[1][0], partial(number, signed=True))
            ),
        ],
        note="Mean scores on the test splits, in percent.",
        media=Medium.PAGE if long else Medium.ANY,
    )
    if whole.rows:
        yield whole
    if long:
        some = f"{whole.title}, {MOST_MOVED} of {len(moved)} tasks"
        yield replace(whole, name=f"{whole.name}-most", title=some, rows=whole.rows[:MOST_MOVED], media=Medium.TERMINAL)


def _tracking(report: RepairReport) -> Tracking:
    """Return what MLflow should hold: one parent; a child for each repair and replication, and for doing nothing."""

    def own(row: Rows) -> dict[str, str]:
        stream = next(iter(row.cells)).stream
        return {"repair": row.entry.name, "strategy": stream.strategy, "method": stream.method}

    def params(row: Rows, made: Any) -> dict[str, Any]:
        chosen = made[0].repaired.chosen if made[0].repaired else {}
        return {**row.entry.settings, **{f"chosen/{name}": value for name, value in chosen.items()}}

    def of_replication(row: Rows, at: Replication) -> Iterator[Point]:
        for of in row.of(at):
            yield from points(METRICS, of, 0)
            if of.repaired:
                yield from points(REPAIR, of.repaired, 0)

    def minus_control(row: Rows) -> Iterator[Point]:
        if report.complete and CONTROLS in row.differences:
            yield metric_name(row.label, CONTROLS), row.differences[CONTROLS].seeds.mean, len(report.record.seeds)

    return tracked(
        report,
        of_row=ROW,
        of_replication=of_replication,
        own=own,
        params=params,
        seconds=lambda of: [of.repaired.seconds if of.repaired else None],
        view=View(("label", "repair", "seed"), ("average_accuracy", "retention")),
        first="average_accuracy",
        summary=table(SUMMARY, "", report.rows, [LABEL, *shown_in(SUMMARY, ROW), *_differences(report)]),
        below="Scores in percent, ± half the 95 % interval over replications.",
        tags={"stream": report.record.stream},
        further=minus_control,
    )
