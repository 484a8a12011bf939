"""What people see of a comparison of ways of updating: scores, what is kept and lost, versions, costs, MLflow runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.cells import NOTHING as NO_CELL
from adapter_workbench.experiments.reporting.cells import gap, score, words
from adapter_workbench.experiments.reporting.differences import by_which_test, tested_over
from adapter_workbench.experiments.reporting.learned_nothing import NOTHING, failure, warnings
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Figure, Medium, Table, Tracking
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import (
    MOST_NAMED,
    PERCENT,
    number,
    plural,
    settings,
    tasks_named,
)
from adapter_workbench.experiments.studies.core.closing import closing
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
from adapter_workbench.experiments.studies.core.data_sources import used
from adapter_workbench.experiments.studies.core.quantity import points, shown_in
from adapter_workbench.experiments.studies.core.rows import tracked
from adapter_workbench.experiments.studies.updates.record import FLIPS, FORGETTING, MEAN, NEW, OLD
from adapter_workbench.experiments.studies.updates.report import (
    ADAPTER,
    COSTS,
    LAST,
    LAST_SCORE,
    METRICS,
    ROW,
    SCORES,
    SUMMARY,
    UPDATES,
    UpdatesReport,
)
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.core.quantity import Quantity
    from adapter_workbench.experiments.studies.core.rows import Replication
    from adapter_workbench.experiments.studies.updates.report import Chain, UpdatesRow

BETTER = {OLD: "higher", NEW: "higher", MEAN: "higher", FORGETTING: "lower", FLIPS: "lower"}  # in the order of columns
MOST_TASKS = 4  # whose scores are columns in MLflow
TITLE = "Score by version"
CAPTION = "Each version on all of its test rows, one line an entry, one panel a task; bars: 95 % intervals over seeds."


def present(report: UpdatesReport) -> Presentation:
    """Return what people see of a report on ways of updating."""
    record = report.record
    facts = (
        f"{tasks_named(record.tasks)}, {record.scenario}",
        plural(record.versions, "version"),
        plural(len(record.seeds), "seed"),
    )
    note = (
        f"Ways of updating an adapter when {escape(', '.join(record.tasks))} change ({escape(record.scenario)}, "
        f"{record.versions} versions), on {escape(record.backbone)}. Each run is one comparison: its description holds "
        "the verdict, its artifacts the report. Below it is a run for each entry and seed, whose steps are versions."
    )
    return report.presented("comparison of updates", facts, _blocks, _tracking, note)


def _blocks(report: UpdatesReport) -> Iterator[Block]:
    if report.scored:
        yield _scores(report)
        yield from below_differences(report.declared, "the mean score", report.record.verdicts_after)
        yield from warnings([*_failures(report)], "more epochs, another learning rate, more examples")
        yield _kept(report)
        yield from _further(report)
        yield Figure("score-by-version", TITLE, CAPTION, _alternative(report), partial(_draw, report))
        yield from _by_version(report)
        yield _costs(report)
    yield from closing(report, _settings_used(report), len(report.rows))


def _failures(report: UpdatesReport) -> Iterator[str]:
    """Yield which entries seem to have learned nothing, and with what."""
    for row in report.scored:
        for task, seed, why in row.learned_nothing[:1]:
            others = len(row.learned_nothing) - 1
            whole = len(report.record.tasks) * len(report.record.planned_seeds(row.label))
            yield failure(f"{row.label} {NOTHING} of {task}", seed, why, others, f"its {whole}")


def _draw(report: UpdatesReport) -> Drawing:
    from adapter_workbench.experiments.studies.updates.figures import scores_by_version  # matplotlib takes a while

    return scores_by_version(report.rows, report.record.tasks, report.record.versions)


def _alternative(report: UpdatesReport) -> str:
    """Return what the figure shows, for whoever cannot see it."""
    ends = "; ".join(f"{row.label} {number(LAST_SCORE.number(row))} %" for row in report.scored)
    return f"{TITLE}. The last version, mean over tasks: {ends}. The tables of this page hold the numbers."


def _settings_used(report: UpdatesReport) -> list[tuple[str, str]]:
    record = report.record
    entries = [("budget", settings(used(record.budget, record.precision)))]
    entries += [
        (row.label, f"{row.entry.way}, {row.entry.method}, {settings(row.entry.settings)}") for row in report.rows
    ]
    entries += [(f"periods of {task}", ", ".join(names)) for task, names in record.periods.items() if len(names) > 1]
    entries += [(f"most frequent answer, {task}", f"{number(score)} %") for task, score in record.majority.items()]
    return entries


def _scores(report: UpdatesReport) -> Table:
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
            *by_tasks(tasks, LAST, room),
            Shown(Column("mean" if tasks else "score"), LAST_SCORE.cell),
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


def _name(row: UpdatesRow) -> Cell:
    return words(row.label, *(() if row.entry.way == row.label else (row.entry.way,)))


def _kept(report: UpdatesReport) -> Table:
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


def _further(report: UpdatesReport) -> Iterator[Table]:
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


def _others() -> Iterator[Quantity[Chain]]:
    yield from (metric for name in BETTER for metric in METRICS if metric.name == name)


def _gap(metric: str, row: UpdatesRow) -> Cell:
    difference = row.differences.get(metric)
    return gap(difference, BETTER[metric]) if difference else NO_CELL


def _by_version(report: UpdatesReport) -> Iterator[Table]:
    """Yield for each task the score of each version."""
    for task in report.record.tasks:
        yield table(
            f"versions-{task}",
            f"Version by version: {task}",
            report.rows,
            [
                labelled("entry"),
                *(
                    Shown(Column(f"version {number}"), partial(_at_version, task, number))
                    for number in range(1, report.record.versions + 1)
                ),
            ],
            note="Score on all test rows of the version, in percent; these are other rows with each version.",
            media=Medium.PAGE,
        )


def _at_version(task: str, number: int, row: UpdatesRow) -> Cell:
    return score(row.at_version(task, number))


def _costs(report: UpdatesReport) -> Table:
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


def _with_seed(metric: Quantity[Chain], at: Replication, row: UpdatesRow) -> float | None:
    """Return the mean over tasks in one replication."""
    return row.over(metric.number).values[row.replications.index(at)]


def _tracking(report: UpdatesReport) -> Tracking:
    """Return what MLflow should hold: one parent, and one child for each entry and seed, whose steps are versions."""
    record = report.record

    def numbers(row: UpdatesRow, at: Replication) -> Iterator[Point]:
        for chain in row.of(at):
            for adapter in chain.versions:
                yield from points(ADAPTER, adapter, adapter.version, adapter.task)
        yield from points(
            (metric.reported(partial(_with_seed, metric, at)) for metric in METRICS), row, record.versions
        )

    columns = [
        labelled("entry"),
        *shown_in(SUMMARY, ROW),
        *differences(record.reference, record.controls, difference_cell),
    ]
    return tracked(
        report,
        of_row=ROW,
        of_replication=numbers,
        own=lambda row: {"way": row.entry.way, "method": row.entry.method},
        params=lambda row, _: row.entry.settings,
        seconds=lambda chain: [of.fitted.seconds for of in chain.versions],
        view=View(
            ("label", "way", "seed"), tuple(metric_name("version_score", task) for task in record.tasks[:MOST_TASKS])
        ),
        first="score",
        summary=table(SUMMARY, "", report.scored, columns),
        below=f"Test score in {PERCENT.words} after the last version, ± half the 95 % interval over seeds.",
        tags={"scenario": record.scenario},
        facts={"versions": record.versions},
        whole=lambda chain: chain.whole,
        periods=record.periods,
    )
