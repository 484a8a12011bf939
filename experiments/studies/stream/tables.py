"""The tables of a report on a stream that stand by themselves: scores, accuracy matrices, probes, cells, cost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from experiments.reporting.cells import plain, quantity, score, words
from experiments.reporting.presentation import Cell, Column, Grid, Medium, Table
from experiments.reporting.wording import count, megabytes, number, replicated, seconds, share, unit
from experiments.studies.stream.probe_summaries import summaries
from experiments.studies.stream.stage_outcome import STATUSES
from workbench.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from experiments.studies.stream.report import Report
    from experiments.studies.stream.strategy_report import StrategyReport

# what low forgetting may hide stands beside it: how well tasks were learned at all
MAIN = {
    "average_accuracy": "average",
    "learning_accuracy": "learned",
    "forgetting": "forgot",
    "backward_transfer": "backward",
    "intransigence": "intrans.",
}
BETTER = {metric.name: metric.better for metric in METRICS}
FURTHER = [metric.name for metric in METRICS if metric.name not in MAIN]
STRATEGY = Column("strategy")
PAGE = Medium.PAGE


def scores(report: Report) -> Table:
    """Return the metrics that a report is about, with what each strategy took."""
    record = report.record
    repeated = replicated(len(record.seeds), len(record.orders))
    alone = repeated == "1 seed"
    scale = unit(record.kinds)
    took = (Column("trainable parameters", media=PAGE), Column("time", unit="s", media=PAGE))
    return Table(
        "strategies",
        "Strategies",
        (STRATEGY, *_heads(MAIN), *took, Column("stored", unit="MB", media=PAGE)),
        [
            (
                words(
                    strategy.label,
                    f"{strategy.contender.strategy} · {strategy.contender.method}",
                    badge="reference" if strategy.label == record.reference else "",
                ),
                *(_metric(name, strategy) for name in MAIN),
                trainable(strategy),
                quantity(strategy.cost.total_seconds, seconds),
                stored(strategy),
            )
            for strategy in report.strategies
        ],
        note=f"Scores in {scale.words}, differences in points: mean over {repeated}, with the 95 % interval"
        f"{' (none here: there is one seed)' if alone else ''}. A dash means that it was not measured, or is not "
        "defined for this strategy. Time: training, testing and probes of the whole stream. Stored: all that has to be "
        "kept to answer for every task.",
        short=f"{scale.title} and points, {'' if alone else '± half the 95 % interval, '}{repeated}",
    )


def by_strategy(
    report: Report,
    name: str,
    title: str,
    columns: Iterable[tuple[Column, Callable[[StrategyReport], Cell]]],
    note: str = "",
    short: str = "",
    media: Medium = Medium.ANY,
) -> Table:
    """Return a table with a row for each strategy; ``columns``: each head with what gives a strategy's cell."""
    heads, shown = zip(*columns, strict=True)
    rows = [(words(strategy.label), *(show(strategy) for show in shown)) for strategy in report.strategies]
    return Table(name, title, (STRATEGY, *heads), rows, note, short, media)


def stored(strategy: StrategyReport) -> Cell:
    """Return what a strategy keeps to answer for all tasks."""
    kept = strategy.cost.stored_bytes
    return quantity(None if kept is None else kept / 1e6, megabytes)


def trainable(strategy: StrategyReport) -> Cell:
    """Return how many numbers are trained at the stage that trains most of them."""
    return quantity(strategy.cost.trainable_parameters, count)


def further(report: Report) -> Table:
    """Return the metrics that are not in :func:`scores`."""
    columns = [(head, partial(_metric, name)) for head, name in zip(_heads(FURTHER), FURTHER, strict=True)]
    return by_strategy(report, "further-metrics", "Further metrics", columns, media=PAGE)


def _metric(name: str, strategy: StrategyReport) -> Cell:
    return score(strategy.metrics[name])


def _heads(names: Iterable[str]) -> list[Column]:
    return [Column(name.replace("_", " "), f"{BETTER[name]} is better", short=MAIN.get(name, "")) for name in names]


def matrices(report: Report) -> Grid:
    """Return R of each strategy, all on one colour scale; tasks have numbers."""
    record = report.record
    rows_of_all = (row for strategy in report.strategies for row in strategy.matrix)
    lowest = min((value for row in rows_of_all for value in row if value is not None), default=0.0)
    names = [f"{index} {task}" for index, task in enumerate(record.tasks, start=1)]
    columns = (Column("stage"), *(Column(task, short=str(index)) for index, task in enumerate(record.tasks, start=1)))

    def cell(value: float | None) -> Cell:
        heat = None if value is None else (value - lowest) / (1 - lowest) if lowest < 1 else 1.0
        return Cell(number(value), value, heat=heat)

    own = ", the recipe's order" if len(record.orders) > 1 else ""
    title = f"Score of each task (column) after each stage (row), {unit(record.kinds).words}{own}"

    def table(strategy: StrategyReport) -> Table:
        label, stages = strategy.label, enumerate(strategy.matrix)
        measured = [(stage, row) for stage, row in stages if stage or any(value is not None for value in row)]
        rows = [(words(stage), *map(cell, row)) for stage, row in measured]
        return Table(f"matrix-{label}", f"Accuracy matrix of {label}", columns, rows, title, label)

    return Grid(title, names, [*map(table, report.strategies)])


def probes(report: Report) -> Table | None:
    """Return what probes found after the last stage; None where nothing was measured."""
    measured = {strategy.label: summaries(strategy, report.record.tasks) for strategy in report.strategies}
    keys = sorted({key for summary in measured.values() for key in summary})
    if not keys:
        return None
    return Table(
        "probes",
        "Probes after the last stage",
        (STRATEGY, *(Column(" ".join(key)) for key in keys)),
        [(words(label), *(plain(summary.get(key)) for key in keys)) for label, summary in measured.items()],
        note="Mean over tasks and replications, with the 95 % interval over replications, in the units of the probe.",
        media=PAGE,
    )


def cells(report: Report) -> Table:
    """Return how many cells of R were measured, and how many followed from others."""

    def counted(status: str, strategy: StrategyReport) -> Cell:
        return quantity(strategy.cells[status], count)

    return by_strategy(
        report,
        "cells",
        "How each cell came about",
        [
            (Column("stages finished"), lambda strategy: words(f"{strategy.finished} of {strategy.planned}")),
            *((Column(status), partial(counted, status)) for status in STATUSES),
        ],
        note="Measured: the test split was run. Verified: the stored adapter was loaded again, all logits were "
        "computed anew and are bit-identical to the measured ones. Carried: adapter, backbone and data have the "
        "fingerprints they had when the score was measured, so it was not run again.",
        media=PAGE,
    )


def cost(report: Report) -> Table:
    """Return what each strategy took for the whole stream."""
    return by_strategy(
        report,
        "cost",
        "What it took",
        [
            (Column("training", unit="s"), lambda strategy: quantity(strategy.cost.train_seconds, seconds)),
            (
                Column("testing", unit="s", media=PAGE),
                lambda strategy: quantity(strategy.cost.evaluate_seconds, seconds),
            ),
            (Column("probes", unit="s", media=PAGE), lambda strategy: quantity(strategy.cost.probe_seconds, seconds)),
            (Column("measuring"), lambda strategy: quantity(strategy.cost.measuring, share)),
            (
                Column("peak memory", unit="MB", short="memory"),
                lambda strategy: quantity(strategy.cost.peak_memory_mb, megabytes),
            ),
            (Column("trainable", media=Medium.TERMINAL), trainable),
            (Column("stored", unit="MB", media=Medium.TERMINAL), stored),
        ],
        note=f"Mean over {replicated(len(report.record.seeds), len(report.record.orders))}, for the whole stream. "
        "Measuring: what share of the time went to testing and probes.",
        short="Cost of a stream, mean",
    )
