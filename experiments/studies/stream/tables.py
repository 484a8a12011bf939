"""The tables of a report on a stream that stand by themselves: scores, accuracy matrices, probes, cells, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import plain, quantity, score, words
from experiments.reporting.presentation import Cell, Column, Grid, Medium, Table
from experiments.reporting.wording import (
    count,
    megabytes,
    number,
    replicated,
    seconds,
    share,
    unit,
)
from experiments.studies.stream.probe_summaries import summaries
from workbench.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from experiments.studies.stream.report import Report, StrategyReport

    Make = Callable[[StrategyReport], Cell]

# what low forgetting may hide stands beside it: how well tasks were learned at all
MAIN = {
    "average_accuracy": "average",
    "learning_accuracy": "learned",
    "forgetting": "forgot",
    "backward_transfer": "backward",
    "intransigence": "intrans.",
}
STRATEGY = Column("strategy")


def label(strategy: StrategyReport) -> Cell:
    """Return the cell that names a row."""
    return words(strategy.label)


def scores(report: Report) -> Table:
    """Return the metrics that a report is about, with what each strategy took."""
    record = report.record
    repeated = replicated(len(record.seeds), len(record.orders))
    alone = repeated == "1 seed"
    scale = unit(record.kinds)

    def name(one: StrategyReport) -> Cell:
        badge = "reference" if one.label == record.reference else ""
        return words(one.label, f"{one.contender.strategy} · {one.contender.method}", badge=badge)

    return Table.of(
        "strategies",
        "Strategies",
        report.strategies,
        [
            (STRATEGY, name),
            *_metrics([*MAIN]),
            (Column("trainable parameters", media=Medium.PAGE), trainable),
            (Column("time", unit="s", media=Medium.PAGE), lambda one: quantity(one.cost.total_seconds, seconds)),
            (Column("stored", unit="MB", media=Medium.PAGE), stored),
        ],
        note=f"Scores in {scale.words}, differences in points: mean over {repeated}, below it the 95 % interval"
        f"{' (none here: there is one seed)' if alone else ''}. A dash means that it was not measured, or is not "
        "defined for this strategy. Time: training, testing and probes of the whole stream. Stored: all that has to be "
        "kept to answer for every task.",
        short=f"{scale.title} and points, {'' if alone else '± half the 95 % interval, '}{repeated}",
    )


def stored(strategy: StrategyReport) -> Cell:
    """Return what a strategy keeps to answer for all tasks."""
    kept = strategy.cost.stored_bytes
    return quantity(None if kept is None else kept / 1e6, megabytes)


def trainable(strategy: StrategyReport) -> Cell:
    """Return how many numbers an optimiser changed."""
    return quantity(strategy.cost.trainable_parameters, count)


def further(report: Report) -> Table:
    """Return the metrics that are not in :func:`scores`."""
    rest = [metric.name for metric in METRICS if metric.name not in MAIN]
    columns = [(STRATEGY, label), *_metrics(rest)]
    return Table.of("further-metrics", "Further metrics", report.strategies, columns, media=Medium.PAGE)


def _metrics(names: list[str]) -> list[tuple[Column, Make]]:
    better = {metric.name: metric.better for metric in METRICS}

    def make(name: str) -> Make:
        return lambda one: score(one.metrics[name])

    return [
        (Column(name.replace("_", " "), f"{better[name]} is better", short=MAIN.get(name, "")), make(name))
        for name in names
    ]


def matrices(report: Report) -> Grid:
    """Return R of each strategy, all on one colour scale; tasks have numbers."""
    record = report.record
    tasks = record.tasks
    measured = [value for one in report.strategies for row in one.matrix for value in row if value is not None]
    lowest = min(measured, default=0.0)
    head = (Column("stage"), *(Column(task, short=str(place)) for place, task in enumerate(tasks, start=1)))

    def cell(value: float | None) -> Cell:
        heat = None if value is None else (value - lowest) / (1 - lowest) if lowest < 1 else 1.0
        return Cell(number(value), value, heat=heat)

    def rows(one: StrategyReport) -> Iterator[tuple[Cell, ...]]:
        for stage, row in enumerate(one.matrix):
            if stage or any(value is not None for value in row):
                yield words(stage), *map(cell, row)

    own = ", the recipe's order" if len(record.orders) > 1 else ""
    title = f"Score of each task (column) after each stage (row), {unit(record.kinds).words}{own}"
    return Grid(
        title,
        tuple(f"{place} {task}" for place, task in enumerate(tasks, start=1)),
        tuple(
            Table(f"matrix-{one.label}", f"Accuracy matrix of {one.label}", head, tuple(rows(one)), title, one.label)
            for one in report.strategies
        ),
    )


def probes(report: Report) -> Table:
    """Return what probes found after the last stage; no row where nothing was measured."""
    found = {one.label: summaries(one, report.record.tasks) for one in report.strategies}
    keys = sorted({key for summary in found.values() for key in summary})

    def make(key: tuple[str, str]) -> Callable[[str], Cell]:
        return lambda strategy: plain(found[strategy].get(key))

    return Table.of(
        "probes",
        "Probes after the last stage",
        found if keys else (),
        [(STRATEGY, words), *((Column(" ".join(key)), make(key)) for key in keys)],
        note="Mean over tasks and replications, below it the 95 % interval over replications, in the units of the "
        "probe.",
        media=Medium.PAGE,
    )


def cells(report: Report) -> Table:
    """Return how many cells of R were measured, and how many followed from others."""

    def counted(status: str) -> Make:
        return lambda one: quantity(one.cells[status], count)

    return Table.of(
        "cells",
        "How each cell came about",
        report.strategies,
        [
            (STRATEGY, label),
            (Column("stages finished"), lambda one: words(f"{one.finished} of {one.planned}")),
            *((Column(status), counted(status)) for status in ("measured", "verified", "carried")),
        ],
        note="Measured: the test split was run. Verified: the stored adapter was loaded again, all logits were "
        "computed anew and are bit-identical to the measured ones. Carried: adapter, backbone and data have the "
        "fingerprints they had when the score was measured, so it was not run again.",
        media=Medium.PAGE,
    )


def cost(report: Report) -> Table:
    """Return what each strategy took for the whole stream."""

    def time(name: str) -> Make:
        return lambda one: quantity(getattr(one.cost, f"{name}_seconds"), seconds)

    return Table.of(
        "cost",
        "What it took",
        report.strategies,
        [
            (STRATEGY, label),
            (Column("training", unit="s"), time("train")),
            (Column("testing", unit="s", media=Medium.PAGE), time("evaluate")),
            (Column("probes", unit="s", media=Medium.PAGE), time("probe")),
            (Column("measuring"), lambda one: quantity(one.cost.measuring, share)),
            (
                Column("peak memory", unit="MB", short="memory"),
                lambda one: quantity(one.cost.peak_memory_mb, megabytes),
            ),
            (Column("trainable", media=Medium.TERMINAL), trainable),
            (Column("stored", unit="MB", media=Medium.TERMINAL), stored),
        ],
        note=f"Mean over {replicated(len(report.record.seeds), len(report.record.orders))}, for the whole stream. "
        "Measuring: what share of the time went to testing and probes.",
        short="Cost of a stream, mean",
    )
