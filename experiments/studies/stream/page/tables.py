"""The tables of a report on a stream that stand by themselves: scores, accuracy matrices, probes, cells, cost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import plain, quantity, words
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Grid, Medium, Paragraph, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import count, number, unit
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies.core.quantity import shown_in
from adapter_workbench.experiments.studies.stream.results.probe_summaries import summaries
from adapter_workbench.experiments.studies.stream.results.quantities import COST, FIRST, STRATEGY
from adapter_workbench.experiments.studies.stream.work.stage_outcome import STATUSES

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.matrix import Grid as Scores
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport

PAGE = Medium.PAGE
STRATEGY_COLUMN = Column("strategy")


def scores(report: Report) -> Table:
    """Return the metrics that a report is about, with what each strategy took."""
    record = report.record
    repeated = record.replicated
    alone = len(record.seeds) == 1
    scale = unit(record.kinds)
    return table(
        "strategies",
        "Strategies",
        report.strategies,
        [Shown(STRATEGY_COLUMN, partial(_named, record.reference)), *shown_in("strategies", (*FIRST, *COST))],
        note=f"Scores in {scale.words}, differences in points: mean over {repeated}, with the 95 % interval"
        f"{' (none here: there is one seed)' if alone else ''}. A dash means that it was not measured, or is not "
        "defined for this strategy. Time: training, testing and probes of the whole stream. Stored: all that has to be "
        "kept to answer for every task.",
        short=f"{scale.title} and points, {'' if alone else '± half the 95 % interval, '}{repeated}",
    )


METRICS_IN_WORDS = (
    "average: score of all tasks after the last one. learned: right after each task. forgot: a task's best score so "
    "far minus its last. backward: its last score minus that right after it was learned. intransigence: score of one "
    "model trained on all tasks at once (strategy joint) minus learned."
)
MOST_STRATEGIES = 6  # that a legend describes


def legend(report: Report) -> Paragraph:
    """Return what the columns of :func:`scores` are, and what the strategies of its rows do."""
    labels: dict[str, list[str]] = {}
    for strategy in report.strategies:
        labels.setdefault(strategy.entry.strategy, []).append(strategy.label)
    if len(labels) > MOST_STRATEGIES or not labels.keys() <= {*STRATEGIES.names()}:
        return Paragraph(f"{METRICS_IN_WORDS} What strategies do: `workbench strategies list`.", "quiet")
    done = (f"{', '.join(names)}: {_clause(STRATEGIES.describe(name))}." for name, names in labels.items())
    return Paragraph(f"{METRICS_IN_WORDS} {' '.join(done)}", "quiet")


def _clause(description: str) -> str:
    """Return the first part of a description, which says enough."""
    return description.partition(";")[0].rstrip(".")


def label(strategy: StrategyReport) -> Cell:
    """Return the cell of a strategy's label."""
    return words(strategy.label)


LABEL = Shown(STRATEGY_COLUMN, label)


def _named(reference: str, strategy: StrategyReport) -> Cell:
    about = f"{strategy.entry.strategy} · {strategy.entry.method}"
    return words(strategy.label, about, badge="reference" if strategy.label == reference else "")


def further(report: Report) -> Table:
    """Return the metrics that are not in :func:`scores`."""
    columns = [LABEL, *shown_in("further-metrics", STRATEGY)]
    return table("further-metrics", "Further metrics", report.strategies, columns, media=PAGE)


def matrices(report: Report) -> Grid:
    """Return R of each strategy, all on one colour scale; tasks have numbers."""
    record = report.record
    rows_of_all = (row for strategy in report.strategies for row in strategy.matrix)
    lowest = min((value for row in rows_of_all for value in row if value is not None), default=0.0)
    names = [f"{index} {task}" for index, task in enumerate(record.tasks, start=1)]

    def cell(matrix: Scores, column: int, stage: int) -> Cell:
        value = matrix[stage][column]
        heat = None if value is None else (value - lowest) / (1 - lowest) if lowest < 1 else 1.0
        return Cell(number(value), value, heat=heat)

    title = f"Score of each task (column) after each stage (row), {unit(record.kinds).words}{record.order_shown}"

    def matrix(strategy: StrategyReport) -> Table:
        rows, name = strategy.matrix, strategy.label
        checkpoints = record.checkpoints.get(name, ())

        def stage_cell(stage: int) -> Cell:
            return words(stage, *filter(None, checkpoints[stage : stage + 1]))

        measured = [stage for stage, row in enumerate(rows) if stage or any(value is not None for value in row)]
        columns = [
            Shown(Column("stage"), stage_cell),
            *(
                Shown(Column(task, short=str(index + 1)), partial(cell, rows, index))
                for index, task in enumerate(record.tasks)
            ),
        ]
        return table(f"matrix-{name}", f"Accuracy matrix of {name}", measured, columns, title, name)

    return Grid(title, names, [*map(matrix, report.strategies)])


def probes(report: Report) -> Table | None:
    """Return what probes found after the last stage; None where nothing was measured."""
    measured = {strategy.label: summaries(strategy, report.record.tasks) for strategy in report.strategies}
    keys = sorted({key for summary in measured.values() for key in summary})
    if not keys:
        return None

    def probe_cell(key: tuple[str, str], label: str) -> Cell:
        return plain(measured[label].get(key))

    columns = [
        Shown(STRATEGY_COLUMN, words),
        *(Shown(Column(" ".join(key)), partial(probe_cell, key)) for key in keys),
    ]
    return table(
        "probes",
        "Probes after the last stage",
        measured,
        columns,
        note="Mean over tasks and replications, with the 95 % interval over replications, in the units of the probe.",
        media=PAGE,
    )


def cells(report: Report) -> Table:
    """Return how many cells of R were measured, and how many followed from others."""

    def counted(status: str, strategy: StrategyReport) -> Cell:
        return quantity(strategy.cells[status], count)

    finished = Column("stages finished")
    return table(
        "cells",
        "How each cell came about",
        report.strategies,
        [
            LABEL,
            Shown(finished, lambda strategy: words(f"{strategy.finished} of {strategy.planned}")),
            *(Shown(Column(status), partial(counted, status)) for status in STATUSES),
        ],
        note="Measured: the test split was run. Verified: the stored adapter was loaded again, all logits were "
        "computed anew and are bit-identical to the measured ones. Carried: adapter, backbone and data have the "
        "fingerprints they had when the score was measured, so it was not run again.",
        media=PAGE,
    )


def cost(report: Report) -> Table:
    """Return what each strategy took for the whole stream."""
    return table(
        "cost",
        "What it took",
        report.strategies,
        [LABEL, *shown_in("cost", COST)],
        note=f"Mean over {report.record.replicated}, for the whole stream. "
        "Measuring: what share of the time went to testing and probes.",
        short="Cost of a stream, mean",
    )
