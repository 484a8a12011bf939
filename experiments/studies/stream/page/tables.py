"""The tables of a report on a stream that stand by themselves: scores, accuracy matrices, probes, cells, cost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from adapter_workbench.experiments.reporting.cells import UNKNOWN, gap, over_examples, plain, quantity, score, words
from adapter_workbench.experiments.reporting.differences import basis, otherwise
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Grid, Medium, Paragraph, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import count, number, plural, unit
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies.core.compare import at_look
from adapter_workbench.experiments.studies.core.quantity import shown_in
from adapter_workbench.experiments.studies.stream.results.comparison import COMPARED
from adapter_workbench.experiments.studies.stream.results.probe_summaries import summaries
from adapter_workbench.experiments.studies.stream.results.quantities import BETTER, COST, FIRST, MAIN, STRATEGY
from adapter_workbench.experiments.studies.stream.work.stage_outcome import STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.stream.results.replication_report import Grid as Scores
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


# What people see of how fast new tasks are learned.


def beginning_table(report: Report) -> Table | None:
    """Return how the fits of each strategy went; None where that is not known, or there is one strategy."""
    beginnings = report.beginnings
    if len(beginnings) < 2:
        return None

    def gained(label: str) -> Cell:
        gain = beginnings[label].gained
        return score(gain) if gain else UNKNOWN

    columns: list[Shown[str]] = [
        Shown(Column("strategy"), words),
        Shown(Column("after one epoch"), lambda label: score(beginnings[label].first)),
        Shown(Column("area under the curve"), lambda label: score(beginnings[label].area)),
        Shown(Column("area − reference's"), gained),
        Shown(Column("epochs to the reference's best"), lambda label: plain(beginnings[label].epochs)),
    ]
    note = (
        f"Scores on validation while a task is learned, {unit(report.record.kinds).words}: mean over the tasks from "
        "the second on. The area under the curve is the mean over epochs. The last column counts epochs until the "
        "score is what the reference reaches at its best on the same task; where it never is, one more than there "
        "were. With the 95 % interval over replications. Exploratory: no claim is made from this table."
    )
    return table(
        "beginnings", "How fast new tasks are learned", beginnings, columns, note, media=Medium.PAGE, folded=True
    )


# The tables of differences in a report on a stream: from the reference, and between every two strategies.


class Compared(Protocol):
    """A strategy beside another: their differences by metric."""

    @property
    def differences(self) -> Mapping[str, Difference]: ...  # noqa: D102 - above


def _in_metric(name: str, row: Compared) -> Cell:
    return gap(row.differences[name], BETTER[name])


def _over_examples(row: Compared) -> Cell:
    return over_examples(row.differences["average_accuracy"])


DIFFERENCES: tuple[Shown[Compared], ...] = (
    *(Shown(Column(name.replace("_", " "), short=MAIN[name]), partial(_in_metric, name)) for name in COMPARED),
    Shown(Column("average accuracy, over examples", media=Medium.PAGE), _over_examples),
)


def differences(report: Report) -> Table:
    """Return each strategy's differences from the reference."""
    reference, declared = report.record.reference, report.declared.values()
    rows = [strategy for strategy in report.strategies if strategy.differences]
    others = {strategy.against(reference) for strategy in rows} - {reference}
    against: Shown[StrategyReport] = Shown(Column("against", left=True), lambda row: words(row.against(reference)))
    what = "Strategy − what the recipe compares it with" if others else "Strategy − reference"
    return table(
        "differences",
        "As the recipe compares them" if others else f"Against {reference}",
        rows,
        [
            LABEL,
            *([against] if others else []),
            *DIFFERENCES,
            *at_look(report.record.verdicts_after, lambda row: row.differences["average_accuracy"]),
        ],
        note=f"{what} in points, paired by seed and order, with the 95 % interval of this difference "
        f"alone, and p. Higher or lower {_where(rows)}, else {otherwise(declared)}: the verdict goes by "
        "nothing else. Average accuracy, over examples: the same over test examples, a paired bootstrap.",
        short="Differences" if others else f"Difference from {reference}",
    )


def _where(rows: Sequence[Compared]) -> str:
    """Return by what higher and lower go, metric by metric: only average accuracy has a score for each example."""
    by_basis: dict[str, list[str]] = {}
    for name in COMPARED:
        measured = [row.differences[name] for row in rows if row.differences[name].seeds.mean is not None]
        if measured:
            by_basis.setdefault(basis(measured), []).append(name.replace("_", " "))
    if len(by_basis) < 2:
        return f"where {next(iter(by_basis), basis([]))}"
    return "; ".join(f"in {' and '.join(names)} where {how}" for how, names in by_basis.items())


def _adjusted(compared: Iterable[Compared]) -> str:
    """Return for how many tests p is adjusted, those of each metric; nothing where none, or one, was made."""
    tested = [of for pair in compared for of in pair.differences.values() if of.p is not None]
    sizes = sorted({of.family for of in tested})
    if not sizes or sizes[-1] == 1:
        return ""
    tests = plural(sizes[-1], "test") if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} tests, by metric"
    return f", with p adjusted for {tests} (Holm)"


def pairs(report: Report) -> Table:
    """Return every two strategies that the recipe does not compare, beside each other."""
    return table(
        "pairs",
        "Exploratory: every other pair",
        report.pairs,
        [
            Shown(Column("first"), lambda pair: words(pair.first)),
            Shown(Column("second", left=True), lambda pair: words(pair.second)),
            *DIFFERENCES,
        ],
        note="First − second in points, as in the table against the reference, but no recipe asks for these pairs: "
        f"they are a family of their own{_adjusted(report.pairs)}, and what stands out here has to be tested anew.",
        media=Medium.PAGE,
    )
