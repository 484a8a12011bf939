"""The tables of a comparison of ways of updating: scores, what an update keeps and loses, versions, costs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import NOTHING, gap, score, words
from adapter_workbench.experiments.reporting.differences import by_which_test, tested_over
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import MOST_NAMED, PERCENT, plural
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
from adapter_workbench.experiments.studies.updates.measures import FLIPS, FORGETTING, MEAN, NEW, OLD, SCORE
from adapter_workbench.experiments.studies.updates.quantities import COSTS, METRIC, ROW, SCORES, SUMMARY, UPDATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.core.quantity import Quantity
    from adapter_workbench.experiments.studies.updates.report import UpdatesReport
    from adapter_workbench.experiments.studies.updates.row import Row

BETTER = {OLD: "higher", NEW: "higher", MEAN: "higher", FORGETTING: "lower", FLIPS: "lower"}  # in the order of columns
SCORED = next(metric for metric in METRIC if metric.name == SCORE)


def scores(report: UpdatesReport) -> Table:
    """Return the scores of the last versions, the best entry first, and differences from what each is compared with."""
    record = report.record
    tasks = record.tasks if len(record.tasks) > 1 else ()
    room = Medium.ANY if len(tasks) <= MOST_NAMED else Medium.PAGE
    over = tested_over(report.declared.values())
    return table(
        SCORES,
        f"Version {record.versions}, all test rows",
        report.scored,
        [
            Shown(Column("entry"), _name),
            *by_tasks(tasks, room),
            Shown(Column("mean" if tasks else "score"), SCORED.cell),
            *differences(record.reference, record.controls, difference_cell, f"over {over}"),
            *at_look(record.verdicts_after, difference_of),
            over_examples(difference_of),
        ],
        note=f"{PERCENT.title}, with the 95 % interval over seeds; differences from "
        f"{compared_in_words(record.reference, record.controls)} in points"
        f"{by_which_test(report.declared.values())}, and over test examples alone (bootstrap). All entries take as "
        "many optimiser steps as training anew. Nothing was selected on a test split.",
        short=f"Test score in {PERCENT.words}",
    )


def _name(row: Row) -> Cell:
    return words(row.label, *(() if row.way == row.label else (row.way,)))


def kept(report: UpdatesReport) -> Table:
    """Return what the updates keep and lose: old and new rows, forgetting, answers that flip."""
    return table(
        UPDATES,
        "What updates keep and lose",
        report.scored,
        [labelled("entry"), *shown_in(UPDATES, ROW)],
        note=f"Of version {report.record.versions}: old rows are the test rows of the version before, new rows those "
        "that came with it. All versions: mean over them of the score on all test rows of then. Forgotten: the best "
        "score that the rows of an earlier version had, minus that now. Right to wrong: share of a version's test rows "
        "that the next one answers wrongly, although it had them right; mean over updates. In percent.",
        short="Test rows, in percent",
    )


def further(report: UpdatesReport) -> Iterator[Table]:
    """Yield the differences in the other metrics, each metric a family of its own; nothing before there are some."""
    compared = [row for row in report.scored if row.differences]
    if compared:
        yield table(
            "further-differences",
            "Differences in the other metrics",
            compared,
            [
                labelled("entry"),
                *(Shown(Column(metric.columns[UPDATES].head), partial(_gap, metric.name)) for metric in _others()),
            ],
            note=f"From {compared_in_words(report.record.reference, report.controls)}, in points, by the same test; "
            "each column is a family of its own. The verdict is about the score alone.",
            media=Medium.PAGE,
        )


def _others() -> Iterator[Quantity[Row]]:
    yield from (metric for name in BETTER for metric in METRIC if metric.name == name)


def _gap(metric: str, row: Row) -> Cell:
    difference = row.differences.get(metric)
    return gap(difference, BETTER[metric]) if difference else NOTHING


def by_version(report: UpdatesReport) -> Iterator[Table]:
    """Yield for each task the score of each version."""
    for task in report.record.tasks:
        yield table(
            f"versions-{task}",
            f"Version by version: {task}",
            report.rows,
            [
                labelled("entry"),
                *(
                    Shown(Column(f"version {number + 1}"), partial(_at_version, task, number))
                    for number in range(report.record.versions)
                ),
            ],
            note="Score on all test rows of the version, in percent; these are other rows with each version.",
            media=Medium.PAGE,
        )


def _at_version(task: str, number: int, row: Row) -> Cell:
    return score(row.versions[task][number])


def costs(report: UpdatesReport) -> Table:
    """Return what the updates take."""
    updates = plural(report.record.versions - 1, "update")
    return table(
        COSTS,
        "Costs",
        report.scored,
        [labelled("entry"), *shown_in(COSTS, ROW)],
        note=f"Steps, rows and times of the {updates} of a task together, without the first version, means over tasks "
        "and seeds. Rows read are different training rows; a row that is read in two updates counts twice.",
        short=f"{updates.capitalize()} of a task",
    )


def summary(report: UpdatesReport) -> Table:
    """Return the table that a description has room for."""
    columns = [
        labelled("entry"),
        *shown_in(SUMMARY, ROW),
        *differences(report.record.reference, report.record.controls, difference_cell),
    ]
    return table(SUMMARY, "", report.scored, columns)
