"""The tables of differences in a report on a stream: from the reference, and between every two strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import NOTHING, gap, words
from experiments.reporting.differences import SAME
from experiments.reporting.presentation import Cell, Column, Medium, Table
from experiments.reporting.wording import plural, probability
from experiments.studies.stream.tables import MAIN, STRATEGY, label

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.studies.stream.pairs import Pair
    from experiments.studies.stream.report import Report, StrategyReport

COMPARED = {"average_accuracy": "higher", "learning_accuracy": "higher", "forgetting": "lower"}  # which is better
EXAMPLES = Column("average accuracy, over examples", media=Medium.PAGE)


def differences(report: Report) -> Table:
    """Return each strategy's differences from the reference."""

    def difference(name: str) -> Callable[[StrategyReport], Cell]:
        return lambda one: gap(one.comparison.differences[name].seeds, COMPARED[name]) if one.comparison else NOTHING

    def over_examples(one: StrategyReport) -> Cell:
        assert one.comparison is not None
        return gap(one.comparison.differences["average_accuracy"].examples, "higher")

    reference = report.record.reference
    return Table.of(
        "differences",
        f"Against {reference}",
        [one for one in report.strategies if one.comparison],
        [
            (STRATEGY, label),
            *((Column(name.replace("_", " "), short=MAIN[name]), difference(name)) for name in COMPARED),
            (EXAMPLES, over_examples),
        ],
        note="Strategy − reference in points, paired by seed and order, with the 95 % interval of the difference. "
        f"Where it holds 0 the two are {SAME}. The last column asks the same of the test examples: a paired bootstrap "
        "of average accuracy.",
        short=f"Difference from {reference}",
    )


def pairs(report: Report) -> Table:
    """Return every two strategies beside each other."""

    def contrast(name: str) -> Callable[[Pair], Cell]:
        def make(pair: Pair) -> Cell:
            found = pair.contrasts[name]
            p = "" if found.adjusted is None else probability(found.adjusted)
            return gap(found.difference.seeds, COMPARED[name], tested=found.reading, p=p)

        return make

    return Table.of(
        "pairs",
        "Every two strategies",
        report.pairs,
        [
            (Column("first"), lambda pair: words(pair.first)),
            (Column("second", left=True), lambda pair: words(pair.second)),
            *((Column(name.replace("_", " ")), contrast(name)) for name in COMPARED),
            (EXAMPLES, lambda pair: gap(pair.contrasts["average_accuracy"].difference.examples, "higher")),
        ],
        note="First − second in points, paired by seed and order, with the 95 % interval of this pair alone, and p of "
        f"the paired t-test, adjusted after Holm for {plural(len(report.pairs), 'pair')}. By that p the two are told "
        f"apart (below 0.05) or {SAME}. The last column: a paired bootstrap over test examples, not adjusted.",
        media=Medium.PAGE,
    )
