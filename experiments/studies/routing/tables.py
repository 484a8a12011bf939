"""The tables of a comparison of routers: accuracies with their differences, confusions, the adapters themselves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import words
from adapter_workbench.experiments.reporting.differences import by_which_test, tested_over
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Grid, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import number
from adapter_workbench.experiments.studies.core.compare import (
    at_look,
    by_tasks,
    compared_in_words,
    difference_cell,
    difference_of,
    differences,
    labelled,
    over_examples,
)
from adapter_workbench.experiments.studies.core.quantity import shown_in
from adapter_workbench.experiments.studies.routing.quantities import ACCURACIES, ADAPTER, COST
from adapter_workbench.experiments.studies.routing.record import JOINT

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.routing.report import RoutingReport
    from adapter_workbench.experiments.studies.routing.row import Row

CONFUSION = "Of the texts of each task (row), how many were taken for each task (column), in percent"


def scores(report: RoutingReport) -> Table:
    """Return the accuracies, the highest first, with differences from the reference and what each took."""
    record, over = report.record, tested_over(report.declared.values())
    return table(
        "routers",
        "Accuracy where nobody names the task",
        report.scored,
        [
            Shown(Column("who answers"), _name),
            *shown_in("routers", ACCURACIES),
            *differences(record.reference, record.controls, difference_cell, f"over {over}"),
            *at_look(record.verdicts_after, difference_of),
            over_examples(difference_of),
            *shown_in("routers", COST),
        ],
        note="Percent, mean over tasks, with the 95 % interval over seeds. Accuracy: the task and the label are right; "
        f"routing accuracy: the task is. Differences from {compared_in_words(record.reference, record.controls)} in "
        f"points{by_which_test(report.declared.values())}, and over test texts alone (bootstrap). Learned in: "
        "the time to learn of all "
        "adapters, or to train the joint model; a dash where the workspace knew some of it before. Nothing was "
        "selected on a test split.",
        short="Right task and right label, in percent"
        f"{'' if len(record.seeds) == 1 else ', ± half the 95 % interval over seeds'}",
    )


def _name(row: Row) -> Cell:
    description = f"joint training, {row.name}" if row.role == JOINT else row.name
    return words(row.label, *(() if description == row.label else (description,)))


def by_task(report: RoutingReport) -> Table:
    """Return the accuracy on each task."""
    return table(
        "by-task",
        "Accuracy by task",
        report.scored,
        [
            labelled("who answers"),
            *by_tasks(report.record.tasks),
        ],
        note="Share of each task's test texts with the right task and the right label, in percent.",
        media=Medium.PAGE,
    )


def confusions(report: RoutingReport) -> Grid:
    """Return whose texts were taken for whose, of every entry that may confuse tasks; tasks have numbers."""
    tasks = report.record.tasks
    names = [f"{position} {task}" for position, task in enumerate(tasks, start=1)]

    def taken(row: Row, column: int, task: int) -> Cell:
        share = row.confusion[task][column]
        return Cell(number(share), share, heat=share)

    def confusion(row: Row) -> Table:
        columns = [
            Shown(Column("task"), lambda task: words(task + 1)),
            *(
                Shown(Column(name, short=str(column + 1)), partial(taken, row, column))
                for column, name in enumerate(tasks)
            ),
        ]
        name, title, every = f"confusion-{row.label}", f"Confusion of {row.label}", range(len(tasks))
        return table(name, title, every, columns, CONFUSION, row.label)

    return Grid(CONFUSION, names, [*map(confusion, confusing(report))])


def confusing(report: RoutingReport) -> list[Row]:
    """Return the measured entries that have to find the task: routers but the one that knows it, joint models."""
    return [row for row in report.scored if row.routes or row.role == JOINT]


def adapters(report: RoutingReport) -> Table:
    """Return how each task's own adapter does where the task is known."""
    return table(
        "adapters",
        "Each task's own adapter, where the task is known",
        report.adapters,
        [Shown(Column("task"), lambda row: words(row.task)), *shown_in("adapters", ADAPTER)],
        note=f"Adapters of {report.record.method}. Percent, mean over seeds, with the 95 % interval; time of a fit.",
        media=Medium.PAGE,
    )


def summary(report: RoutingReport) -> Table:
    """Return the table that a description has room for."""
    columns = [
        labelled("who answers"),
        *shown_in("summary", ACCURACIES),
        *differences(report.record.reference, report.record.controls, difference_cell),
    ]
    return table("summary", "", report.scored, columns)
