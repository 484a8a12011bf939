"""What people see of a comparison of routers: verdict, accuracies, confusions, the adapters behind them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.learned_nothing import NOTHING, failure, warnings
from adapter_workbench.experiments.reporting.presentation import Figure, Medium
from adapter_workbench.experiments.reporting.wording import number, plural, settings, tasks_named
from adapter_workbench.experiments.studies.core.closing import closing
from adapter_workbench.experiments.studies.core.data_sources import used
from adapter_workbench.experiments.studies.routing import many_tasks, tables
from adapter_workbench.experiments.studies.routing.tracking import experiment_note, tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.routing.report import RoutingReport

TITLE = "Which tasks are taken for which"
CAPTION = (
    "Of the test texts of each task (row), the share that was taken for each task (column), in percent, mean over "
    "seeds. The diagonal is what was found."
)


def present(report: RoutingReport) -> Presentation:
    """Return what people see of a report on routers."""
    record = report.record
    facts = (tasks_named(record.tasks), plural(len(record.seeds), "seed"), f"adapters of {record.method}")
    return report.presented("comparison of routers", facts, _blocks, tracking, experiment_note(record))


def _blocks(report: RoutingReport) -> Iterator[Block]:
    if report.scored:
        yield tables.scores(report)
        yield from below_differences(report.declared, "accuracy", report.record.verdicts_after)
    yield from warnings([*_failures(report)], "more epochs, another learning rate, more examples")
    long = many_tasks.are_many(report)
    if tables.confusing(report):
        yield from _confusions(report, long)
        yield Figure("confusion", TITLE, CAPTION, _alternative(report), partial(_draw, report))
    if report.scored:
        yield many_tasks.by_task(report) if long else tables.by_task(report)
    if report.record.adapters:
        yield replace(tables.adapters(report), folded=long)
    yield from closing(report, _settings_used(report), len(report.rows))


def _confusions(report: RoutingReport, long: bool) -> Iterator[Block]:
    """Yield the confusion matrices, or, of many tasks, those that are confused most."""
    matrices = tables.confusions(report)
    if not long:
        yield matrices
        return
    yield replace(matrices, media=Medium.EXPORT)
    if worst := many_tasks.confused_most(report):
        yield worst


def _failures(report: RoutingReport) -> Iterator[str]:
    """Yield which tasks' own adapters seem to have learned nothing: no router can make up for that."""
    for row in report.adapters:
        for seed, why in row.learned_nothing[:1]:
            message = f"The adapter of {row.task} {NOTHING}"
            yield failure(message, seed, why, len(row.learned_nothing) - 1, "this task")


def _draw(report: RoutingReport) -> Drawing | None:
    from adapter_workbench.experiments.studies.routing import figures  # matplotlib takes a while

    rows = tables.confusing(report)
    if many_tasks.are_many(report):
        return figures.confusions_as_images(rows)
    return figures.confusions(rows, report.record.tasks)


def _alternative(report: RoutingReport) -> str:
    """Return what the figure shows, for whoever cannot see it."""
    numbers = "; ".join(
        f"{row.label} finds the task of {number(row.routing_accuracy.mean)} %" for row in tables.confusing(report)
    )
    return f"{TITLE}. {numbers}. The exports of this report hold the numbers."


def _settings_used(report: RoutingReport) -> list[tuple[str, str]]:
    record = report.record
    return [
        ("budget", settings(used(record.budget, record.precision))),
        ("sources", f"{record.method}, {settings(record.settings)}"),
        *((row.label, f"{row.role} {row.name}, {settings(row.settings)}") for row in report.rows),
    ]
