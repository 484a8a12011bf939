"""The tables of differences in a report on a stream: from the reference, and between every two strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import gap, over_examples, words
from experiments.reporting.differences import SAME, basis
from experiments.reporting.presentation import Column, Medium, Table
from experiments.reporting.wording import plural
from experiments.studies.stream.comparison import COMPARED
from experiments.studies.stream.tables import BETTER, MAIN, STRATEGY

if TYPE_CHECKING:
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
                *(gap(strategy.differences[name], BETTER[name]) for name in COMPARED),
                over_examples(strategy.differences["average_accuracy"]),
            )
            for strategy in report.strategies
            if strategy.differences
        ],
        note="Strategy − reference in points, paired by seed and order, with the 95 % interval of this difference "
        f"alone, and p. Higher or lower where {basis(report.declared.values())}, else {SAME}: the verdict goes by "
        "nothing else. The last column: the same over test examples, a paired bootstrap of average accuracy.",
        short=f"Difference from {reference}",
    )


def pairs(report: Report) -> Table:
    """Return every two strategies that the recipe does not compare, beside each other."""
    return Table(
        "pairs",
        "Exploratory: every other pair",
        (Column("first"), Column("second", left=True), *HEADS),
        [
            (
                words(pair.first),
                words(pair.second),
                *(gap(pair.differences[name], BETTER[name]) for name in COMPARED),
                over_examples(pair.differences["average_accuracy"]),
            )
            for pair in report.pairs
        ],
        note="First − second in points, as in the table against the reference, but no recipe asks for these pairs: "
        f"they are a family of their own, with p adjusted after Holm for {plural(len(report.pairs), 'pair')}, and what "
        "stands out here has to be tested anew.",
        media=Medium.PAGE,
    )
