"""The tables of a comparison of compositions: scores and gains, what is kept of the sources' tasks, speed, sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import UNKNOWN, gap, quantity, words
from experiments.reporting.presentation import Cell, Column, Medium, Table
from experiments.reporting.wording import count, number, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.studies.compositions.report import FusionReport, Row

    Make = Callable[[Row], Cell]

CONTESTANT = Column("contestant")


def ranked(report: FusionReport) -> list[Row]:
    """Return the rows with a score, best first; what validation picks stands on top."""
    rows = [row for row in report.rows if row.standings[report.overall].score is not None]
    return sorted(rows, key=lambda row: (row.role != "pick", -(row.standings[report.overall].score or 0)))


def scores(report: FusionReport) -> Table:
    """Return scores by K and by target, and the gain over the reference."""
    record, overall = report.record, report.overall

    def by_shots(key: str) -> Make:
        return lambda row: quantity(row.standings[key].score)

    def by_target(target: str) -> Make:
        return lambda row: quantity(row.standings[overall].targets[target])

    page = Medium.PAGE
    trained, time = Column("trained numbers", media=page), Column("time", unit="s", media=page)
    return Table.of(
        "scores",
        "Test scores",
        ranked(report),
        [
            (CONTESTANT, lambda row: words(row.label, " · ".join(part for part in (row.role, row.family) if part))),
            *((Column(f"K = {shots}", short=str(shots)), by_shots(str(shots))) for shots in record.shots),
            *((Column(target, media=page), by_target(target)) for target in record.targets),
            *([(Column("all"), by_shots(overall))] if len(record.shots) > 1 else []),
            (_minus(report), _gain(report)),
            (trained, lambda row: quantity(row.standings[overall].trainable_parameters, count)),
            (time, lambda row: quantity(row.standings[overall].seconds, seconds)),
        ],
        note=f"Percent, mean over targets and seeds; the difference from {record.reference} in points, with its 95 % "
        "interval: a paired bootstrap over test examples. Nothing was selected on a test split.",
        short="Test score by K, percent, mean over targets and seeds",
    )


def _minus(report: FusionReport) -> Column:
    return Column(f"minus {report.record.reference}")


def _gain(report: FusionReport) -> Make:
    def make(row: Row) -> Cell:
        if row.label == report.record.reference:
            return words("", badge="reference")
        gain = row.standings[report.overall].gain
        return gap(gain.preferred if gain else None, "higher", asymmetric=True)

    return make


def summary(report: FusionReport) -> Table:
    """Return the table that a description has room for."""
    columns = [
        (CONTESTANT, lambda row: words(row.label)),
        (Column("score"), lambda row: quantity(row.standings[report.overall].score)),
        (_minus(report), _gain(report)),
    ]
    return Table.of("summary", "", ranked(report), columns)


def kept(report: FusionReport) -> Table:
    """Return what a composed adapter still knows of its sources' own tasks."""
    tasks = list(dict.fromkeys(one.task for one in report.retained))
    labels = list(dict.fromkeys(one.label for one in report.retained))
    found = {(one.label, one.task): quantity(one.fused) for one in report.retained}
    alone = {one.task: quantity(one.alone) for one in report.retained}
    first = (words("the source alone"), *(alone[task] for task in tasks))
    return Table(
        "kept",
        "What is kept of the sources' own tasks",
        (Column(""), *map(Column, tasks)),
        (first, *((words(label), *(found.get((label, task), UNKNOWN) for task in tasks)) for label in labels)),
        note="Test score of the composed body under each source's own head, percent.",
        short="What the composed adapter still knows of the sources' own tasks, under their own heads, percent",
    )


def speeds(report: FusionReport) -> Table:
    """Return how soon contestants are as good on validation as the reference ends."""
    reference = report.record.reference
    return Table.of(
        "speed",
        f"How soon they are as good as {reference}",
        report.speeds,
        [
            (CONTESTANT, lambda one: words(one.label)),
            (Column("within a third"), lambda one: quantity(one.within_a_third, lambda share: f"{number(share)} %")),
            (Column("places"), lambda one: quantity(len(one.shares), count)),
        ],
        note=f"Steps until the validation score reaches the one that {reference} ends with, as a share of its steps: "
        "how often a third was enough.",
        media=Medium.PAGE,
    )


def sources(report: FusionReport) -> Table:
    """Return the adapters that were composed."""
    return Table.of(
        "sources",
        "Sources",
        report.record.sources,
        [
            (Column("adapter"), lambda source: words(source["adapter"])),
            (Column("task", left=True), lambda source: words(source["task"])),
            (Column("method", left=True), lambda source: words(source["method"])),
            (Column("seed"), lambda source: words(source["seed"])),
            (Column("validation"), lambda source: quantity(source["validation"])),
        ],
        media=Medium.PAGE,
    )
