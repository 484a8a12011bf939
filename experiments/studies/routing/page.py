"""What people see of a comparison of routers: accuracies, confusions, the adapters behind them, MLflow runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.cells import quantity, score, words
from adapter_workbench.experiments.reporting.differences import by_which_test, tested_over
from adapter_workbench.experiments.reporting.learned_nothing import NOTHING, failure, warnings
from adapter_workbench.experiments.reporting.presentation import (
    Cell,
    Column,
    Figure,
    Grid,
    Medium,
    Table,
    Tracking,
)
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import number, plural, settings, tasks_named
from adapter_workbench.experiments.studies.core.closing import closing
from adapter_workbench.experiments.studies.core.compare import (
    at_look,
    compared_in_words,
    difference_cell,
    difference_of,
    differences,
    labelled,
    over_examples,
)
from adapter_workbench.experiments.studies.core.data_sources import used
from adapter_workbench.experiments.studies.core.quantity import points, shown_in
from adapter_workbench.experiments.studies.core.report import LONG
from adapter_workbench.experiments.studies.core.rows import tracked
from adapter_workbench.experiments.studies.routing.record import JOINT
from adapter_workbench.experiments.studies.routing.report import (
    ACCURACIES,
    ADAPTER,
    COST,
    ENTRY,
    SEED,
    RoutingReport,
)
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.core.rows import Replication
    from adapter_workbench.experiments.studies.routing.report import RoutedRow

TITLE = "Which tasks are taken for which"
CAPTION = (
    "Of the test texts of each task (row), the share that was taken for each task (column), in percent, mean over "
    "seeds. The diagonal is what was found."
)
CONFUSION = "Of the texts of each task (row), how many were taken for each task (column), in percent"
WORST = 5  # pairs of tasks that are named for each router or joint model


def present(report: RoutingReport) -> Presentation:
    """Return what people see of a report on routers."""
    record = report.record
    facts = (tasks_named(record.tasks), plural(len(record.seeds), "seed"), f"adapters of {record.method}")
    note = (
        f"Routers among adapters for {escape(', '.join(record.tasks))}, on {escape(record.backbone)}. Each run is one"
        " comparison: its description holds the verdict, its artifacts the report. Below it is a run for each router"
        " or joint model and seed."
    )
    return report.presented("comparison of routers", facts, _blocks, _tracking, note)


def _blocks(report: RoutingReport) -> Iterator[Block]:
    if report.scored:
        yield _scores(report)
        yield from below_differences(report.declared, "accuracy", report.record.verdicts_after)
    yield from warnings([*_failures(report)], "more epochs, another learning rate, more examples")
    long = _are_many(report)
    if _confusing(report):
        yield from _confusions(report, long)
        yield Figure("confusion", TITLE, CAPTION, _alternative(report), partial(_draw, report))
    if report.scored:
        yield _by_task(report, long)
    if report.record.adapters:
        yield replace(_adapters(report), folded=long)
    yield from closing(report, _settings_used(report), len(report.rows))


def _confusions(report: RoutingReport, long: bool) -> Iterator[Block]:
    """Yield the confusion matrices, or, of many tasks, those that are confused most."""
    matrices = _matrices(report)
    if not long:
        yield matrices
        return
    yield replace(matrices, media=Medium.EXPORT)
    if worst := _confused_most(report):
        yield worst


def _failures(report: RoutingReport) -> Iterator[str]:
    """Yield which tasks' own adapters seem to have learned nothing: no router can make up for that."""
    for row in report.adapters:
        for seed, why in row.learned_nothing[:1]:
            message = f"The adapter of {row.label} {NOTHING}"
            yield failure(message, seed, why, len(row.learned_nothing) - 1, "this task")


def _draw(report: RoutingReport) -> Drawing | None:
    from adapter_workbench.experiments.studies.routing import figures  # matplotlib takes a while

    rows = _confusing(report)
    if _are_many(report):
        return figures.confusions_as_images(rows)
    return figures.confusions(rows, report.record.tasks)


def _alternative(report: RoutingReport) -> str:
    """Return what the figure shows, for whoever cannot see it."""
    numbers = "; ".join(
        f"{row.label} finds the task of {number(ACCURACIES[1].number(row))} %" for row in _confusing(report)
    )
    return f"{TITLE}. {numbers}. The exports of this report hold the numbers."


def _settings_used(report: RoutingReport) -> list[tuple[str, str]]:
    record = report.record
    return [
        ("budget", settings(used(record.budget, record.precision))),
        ("sources", f"{record.method}, {settings(record.settings)}"),
        *((row.label, f"{row.entry.role} {row.entry.name}, {settings(row.entry.settings)}") for row in report.rows),
    ]


def _scores(report: RoutingReport) -> Table:
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


def _name(row: RoutedRow) -> Cell:
    description = f"joint training, {row.entry.name}" if row.entry.role == JOINT else row.entry.name
    return words(row.label, *(() if description == row.label else (description,)))


def _by_task(report: RoutingReport, long: bool) -> Table:
    """Return the accuracy on each task, a column a task; of many tasks a row a task, folded."""

    def accuracy(row: RoutedRow, task: str) -> Cell:
        return score(row.by_task(task))

    def on(task: str, row: RoutedRow) -> Cell:
        return accuracy(row, task)

    tasks = report.record.tasks
    note = "Share of each task's test texts with the right task and the right label, in percent."
    if long:
        by_row = (Shown(Column(row.label), partial(accuracy, row)) for row in report.scored)
        columns = [Shown(Column("task"), words), *by_row]
        return table("by-task", "Accuracy by task", tasks, columns, note, media=Medium.PAGE, folded=True)
    by_column = [labelled("who answers"), *(Shown(Column(task), partial(on, task)) for task in tasks)]
    return table("by-task", "Accuracy by task", report.scored, by_column, note, media=Medium.PAGE)


def _matrices(report: RoutingReport) -> Grid:
    """Return whose texts were taken for whose, of every entry that may confuse tasks; tasks have numbers."""
    tasks = report.record.tasks
    names = [f"{position} {task}" for position, task in enumerate(tasks, start=1)]

    def taken(row: RoutedRow, column: int, task: int) -> Cell:
        share = row.confusion[task][column]
        return Cell(number(share), share, heat=share)

    def confusion(row: RoutedRow) -> Table:
        columns = [
            Shown(Column("task"), lambda task: words(task + 1)),
            *(
                Shown(Column(name, short=str(column + 1)), partial(taken, row, column))
                for column, name in enumerate(tasks)
            ),
        ]
        name, title, every = f"confusion-{row.label}", f"Confusion of {row.label}", range(len(tasks))
        return table(name, title, every, columns, CONFUSION, row.label)

    return Grid(CONFUSION, names, [*map(confusion, _confusing(report))])


def _confusing(report: RoutingReport) -> list[RoutedRow]:
    """Return the measured entries that have to find the task: routers but the one that knows it, joint models."""
    return [row for row in report.scored if row.routes or row.entry.role == JOINT]


def _adapters(report: RoutingReport) -> Table:
    """Return how each task's own adapter does where the task is known."""
    return table(
        "adapters",
        "Each task's own adapter, where the task is known",
        report.adapters,
        [labelled("task"), *shown_in("adapters", ADAPTER)],
        note=f"Adapters of {report.record.method}. Percent, mean over seeds, with the 95 % interval; time of a fit.",
        media=Medium.PAGE,
    )


@dataclass(frozen=True)
class Confused:
    """A task, another that it was taken for, by whom, and the share of its texts."""

    label: str
    task: str
    taken_for: str
    share: float


def _are_many(report: RoutingReport) -> bool:
    """Return whether there are too many tasks for tables and figures that show every cell."""
    return len(report.record.tasks) > LONG


def _confused_most(report: RoutingReport) -> Table | None:
    """Return the pairs of tasks that each router or joint model confuses most; None where none confuses any."""
    tasks = report.record.tasks
    confused = [pair for row in _confusing(report) for pair in _worst(row, tasks)]
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


def _worst(row: RoutedRow, tasks: Sequence[str]) -> Iterator[Confused]:
    """Yield what was confused most, the most frequent first, none that never happened."""
    shares = np.array(row.confusion)  # (T, T)
    np.fill_diagonal(shares, 0)
    for position in np.argsort(-shares, axis=None, kind="stable")[:WORST].tolist():
        true, taken = divmod(position, len(shares))
        if shares[true, taken] > 0:
            yield Confused(row.label, tasks[true], tasks[taken], float(shares[true, taken]))


def _tracking(report: RoutingReport) -> Tracking:
    """Return what MLflow should hold: one parent, and one child for each router or joint model and seed."""
    record = report.record

    def numbers(row: RoutedRow, at: Replication) -> Iterator[Point]:
        for result in row.of(at):
            yield from points(SEED, result, 0)
            for task, accuracy in zip(record.tasks, result.outcome.accuracies, strict=True):
                yield metric_name("accuracy", task), accuracy, 0

    columns = [
        labelled("who answers"),
        *shown_in("summary", ACCURACIES),
        *differences(record.reference, record.controls, difference_cell),
    ]
    return tracked(
        report,
        of_row=ENTRY,
        of_replication=numbers,
        own=lambda row: {"role": row.entry.role, row.entry.role: row.entry.name},
        params=lambda row, _: row.entry.settings,
        seconds=lambda result: [result.fit_seconds],
        view=View(("label", "role", "seed"), ("accuracy", "routing_accuracy")),
        first="accuracy",
        summary=table("summary", "", report.scored, columns),
        below="Test texts with the right task and the right label in percent, ± half the 95 % interval over seeds.",
        tags={},
    )
