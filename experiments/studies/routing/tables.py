"""The tables of a comparison of routers: accuracies with their differences, confusions, the adapters themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import against, decimals, quantity, score, words
from experiments.reporting.presentation import Cell, Column, Grid, Medium, Table
from experiments.reporting.wording import count, number, seconds
from experiments.studies.routing.record import JOINT

if TYPE_CHECKING:
    from experiments.studies.routing.report import RoutingReport, Row

CONTENDER = Column("who answers")
CONFUSION = "Of the texts of each task (row), how many were taken for each task (column), in percent"


def scores(report: RoutingReport) -> Table:
    """Return the accuracies, the highest first, with differences from the reference and what each took."""
    record, page = report.record, Medium.PAGE
    return Table(
        "routers",
        "Accuracy where nobody names the task",
        (
            CONTENDER,
            Column("accuracy"),
            Column("routing accuracy", short="task found"),
            Column(f"minus {record.reference}", "over seeds"),
            Column("over examples", media=page),
            Column("learned in", unit="s", media=page),
            Column("ms a text"),
        ),
        [
            (
                _name(row),
                score(row.accuracy),
                score(row.routing_accuracy),
                *against(row.difference),
                quantity(row.fit_seconds, seconds),
                quantity(row.milliseconds, decimals(1)),
            )
            for row in report.scored
        ],
        note="Percent, mean over tasks, with the 95 % interval over seeds. Accuracy: the task and the label are right; "
        f"routing accuracy: the task is. Differences from {record.reference} in points, paired over seeds (t) and over "
        "test texts (bootstrap). Learned in: the time to learn of all adapters, or to train the joint model; a dash "
        "where the workspace knew some of it before. Nothing was selected on a test split.",
        short="Right task and right label, in percent"
        f"{'' if len(record.seeds) == 1 else ', ± half the 95 % interval over seeds'}",
    )


def _name(row: Row) -> Cell:
    description = f"joint training, {row.name}" if row.role == JOINT else row.name
    return words(row.label, *(() if description == row.label else (description,)))


def by_task(report: RoutingReport) -> Table:
    """Return the accuracy on each task."""
    return Table(
        "by-task",
        "Accuracy by task",
        (CONTENDER, *map(Column, report.record.tasks)),
        [(words(row.label), *map(score, row.tasks.values())) for row in report.scored],
        note="Share of each task's test texts with the right task and the right label, in percent.",
        media=Medium.PAGE,
    )


def confusions(report: RoutingReport) -> Grid:
    """Return whose texts were taken for whose, of every contender that may confuse tasks; tasks have numbers."""
    tasks = report.record.tasks
    names = [f"{position} {task}" for position, task in enumerate(tasks, start=1)]
    columns = (Column("task"), *(Column(task, short=str(position)) for position, task in enumerate(tasks, start=1)))
    tables = [
        Table(
            f"confusion-{row.label}",
            f"Confusion of {row.label}",
            columns,
            [
                (words(position), *(Cell(number(share), share, heat=share) for share in shares))
                for position, shares in enumerate(row.confusion, start=1)
            ],
            CONFUSION,
            row.label,
        )
        for row in confusing(report)
    ]
    return Grid(CONFUSION, names, tables)


def confusing(report: RoutingReport) -> list[Row]:
    """Return the measured contenders that have to find the task: routers but the one that knows it, joint models."""
    return [row for row in report.scored if row.routes or row.role == JOINT]


def adapters(report: RoutingReport) -> Table:
    """Return how each task's own adapter does where the task is known."""
    return Table(
        "adapters",
        "Each task's own adapter, where the task is known",
        (Column("task"), Column("score"), *map(Column, ("validation", "fit", "trained parameters"))),
        [
            (
                words(row.task),
                score(row.score),
                quantity(row.validation),
                quantity(row.seconds, seconds),
                quantity(row.trainable_parameters, count),
            )
            for row in report.adapters
        ],
        note=f"Adapters of {report.record.method}. Percent, mean over seeds, with the 95 % interval; time of a fit.",
        media=Medium.PAGE,
    )


def summary(report: RoutingReport) -> Table:
    """Return the table that a description has room for."""
    heads = ("who answers", "accuracy", "task found", f"minus {report.record.reference}")
    rows = [
        (words(row.label), score(row.accuracy), score(row.routing_accuracy), against(row.difference)[0])
        for row in report.scored
    ]
    return Table("summary", "", [*map(Column, heads)], rows)
