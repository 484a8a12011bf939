"""The tables of differences in a report on a stream: from the reference, and between every two strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import gap, words
from experiments.reporting.differences import SAME
from experiments.reporting.presentation import Column, Medium, Table
from experiments.reporting.wording import plural, probability
from experiments.studies.stream.comparison import COMPARED
from experiments.studies.stream.tables import BETTER, MAIN, STRATEGY

if TYPE_CHECKING:
    from experiments.reporting.presentation import Cell
    from experiments.studies.stream.pairs import Contrast
    from experiments.studies.stream.report import Report

HEADS = (
    *(Column(name.replace("_", " "), short=MAIN[name]) for name in COMPARED),
    Column("average accuracy, over examples", media=Medium.PAGE),
)


def differences(report: Report) -> Table:
    """Return each strategy's differences from the reference."""
    reference = report.record.reference
    return Table(
        "differences",
        f"Against {reference}",
        (STRATEGY, *HEADS),
        [
            (
                words(strategy.label),
                *(gap(strategy.differences[name].seeds, BETTER[name]) for name in COMPARED),
                gap(strategy.differences["average_accuracy"].examples, "higher"),
            )
            for strategy in report.strategies
            if strategy.differences
        ],
        note="Strategy − reference in points, paired by seed and order, with the 95 % interval of the difference. "
        f"Where it holds 0 the two are {SAME}. The last column asks the same of the test examples: a paired bootstrap "
        "of average accuracy.",
        short=f"Difference from {reference}",
    )


def pairs(report: Report) -> Table:
    """Return every two strategies beside each other."""
    return Table(
        "pairs",
        "Every two strategies",
        (Column("first"), Column("second", left=True), *HEADS),
        [
            (
                words(pair.first),
                words(pair.second),
                *(_contrast(pair.contrasts[name], BETTER[name]) for name in COMPARED),
                gap(pair.contrasts["average_accuracy"].difference.examples, "higher"),
            )
            for pair in report.pairs
        ],
        note="First − second in points, paired by seed and order, with the 95 % interval of this pair alone, and p of "
        f"the paired t-test, adjusted after Holm for {plural(len(report.pairs), 'pair')}. By that p the two are told "
        f"apart (below 0.05) or {SAME}. The last column: a paired bootstrap over test examples, not adjusted.",
        media=Medium.PAGE,
    )


def _contrast(contrast: Contrast, better: str) -> Cell:
    p = "" if contrast.adjusted is None else probability(contrast.adjusted)
    return gap(contrast.difference.seeds, better, tested=contrast.reading, p=p)
