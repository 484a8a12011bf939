"""What replaces accuracy matrices where a stream has too many tasks to read them cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import quantity, words
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import begun, number, plural, unit
from adapter_workbench.experiments.studies.core.report import LONG
from adapter_workbench.experiments.studies.stream.page.tables import LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.stream.results.replication_report import Grid
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport

WORST, NAMED = 5, 45  # tasks that are named: of a strategy, and of all together, one of each at least
LINES = 150  # of all accuracy matrices together: more are not read line by line


@dataclass(frozen=True)
class Loss:
    """What a strategy lost of a task by the end, mean over the seeds that have both scores."""

    label: str  # of the strategy
    task: str  # its name
    stages: frozenset[int]  # at which it was learned: one, unless each seed has its own order
    best: float  # its highest score since that stage, before the last one, of each seed its own
    end: float  # its score after the last stage

    @property
    def lost(self) -> float:
        """The drop; negative where the score rose."""
        return self.best - self.end


def is_long(report: Report) -> bool:
    """Return whether a stream has too many tasks, or strategies, for tables and figures that show every cell."""
    tasks = 0 if report.record.examined else len(report.record.tasks)
    return tasks > LONG or tasks * len(report.strategies) > LINES


def losses(strategy: StrategyReport, tasks: tuple[str, ...]) -> Iterator[Loss]:
    """Yield what was lost of each task that was learned before the last stage, as far as a seed has both scores."""
    for task in tasks:
        columns = [(seed.matrix, seed.tasks.index(task)) for seed in strategy.one_a_seed if seed.tasks[-1] != task]
        both = [(column + 1, pair) for matrix, column in columns if (pair := _best_and_end(matrix, column))]
        if both:
            best, end = map(fmean, zip(*(pair for _, pair in both), strict=True))
            yield Loss(strategy.label, task, frozenset(stage for stage, _ in both), best, end)


def _best_and_end(matrix: Grid, column: int) -> tuple[float, float] | None:
    """Return a task's highest score since its own stage but for the last one, and that; None for one not measured.

    A score before the task was learned is none that can be forgotten, as in the metric of that name.
    """
    *since, end = (row[column] for row in matrix[column + 1 :])
    best = max((score for score in since if score is not None), default=None)
    return None if best is None or end is None else (best, end)


def _range(stages: frozenset[int]) -> str:
    first, last = min(stages), max(stages)
    return str(first) if first == last else f"{first} to {last}"


def lost_most(report: Report) -> Table | None:
    """Return the tasks that each strategy lost most of; None where none lost anything, or nothing is known yet."""
    worst = max(1, min(WORST, NAMED // len(report.strategies)))
    shown = [
        loss
        for strategy in report.strategies
        for loss in sorted(losses(strategy, report.record.tasks), key=lambda loss: -loss.lost)[:worst]
        if loss.lost > 0
    ]
    if not shown:
        return None
    return table(
        "lost-most",
        "Tasks that lost most",
        shown,
        [
            Shown(Column("strategy"), lambda loss: words(loss.label)),
            Shown(Column("task", left=True), lambda loss: words(loss.task)),
            Shown(Column("learned at stage", short="stage"), lambda loss: words(_range(loss.stages))),
            Shown(Column("best before the end", short="best"), lambda loss: quantity(loss.best)),
            Shown(Column("at the end", short="end"), lambda loss: quantity(loss.end)),
            Shown(Column("lost"), lambda loss: quantity(loss.lost)),
        ],
        note=f"Up to {plural(worst, 'task')} of each strategy that lost something, {_scale(report)}: of "
        "each seed the highest score since the task was learned, before the last stage, and the score after that.",
        short=f"Tasks that lost most, {_scale(report)}",
    )


def by_task(report: Report) -> Table:
    """Return every task's score after the last stage, and what was lost of it; rows are the more numerous of both."""
    tasks, shown = report.record.tasks, report.strategies
    lost = {strategy.label: {loss.task: loss.lost for loss in losses(strategy, tasks)} for strategy in shown}

    def cell(strategy: StrategyReport, column: int) -> Cell:
        end, drop = strategy.matrix[-1][column], lost[strategy.label].get(tasks[column])
        return Cell(number(end), end, notes=() if drop is None else (f"lost {number(drop)}",))

    def on_task(column: int, strategy: StrategyReport) -> Cell:
        return cell(strategy, column)

    note = f"{begun(_scale(report))}. Whole matrices are in the JSON document and in the CSV tables."
    filled = partial(table, "by-task", "Every task", note=note, media=Medium.PAGE, folded=True)
    if len(shown) > len(tasks):
        ends = [Shown(Column(task, "at the end"), partial(on_task, column)) for column, task in enumerate(tasks)]
        return filled(shown, [LABEL, *ends])
    ends_of_each = [Shown(Column(strategy.label, "at the end"), partial(cell, strategy)) for strategy in shown]
    return filled(range(len(tasks)), [Shown(Column("task"), lambda column: words(tasks[column])), *ends_of_each])


def _scale(report: Report) -> str:
    return f"{unit(report.record.kinds).words}, mean over seeds{report.record.order_shown}"
