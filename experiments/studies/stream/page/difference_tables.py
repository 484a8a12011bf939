"""The tables of differences in a report on a stream: from the reference, and between every two strategies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from adapter_workbench.experiments.reporting.cells import gap, over_examples, words
from adapter_workbench.experiments.reporting.differences import basis, otherwise
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import plural
from adapter_workbench.experiments.studies.core.compare import at_look
from adapter_workbench.experiments.studies.stream.page.tables import LABEL
from adapter_workbench.experiments.studies.stream.results.comparison import COMPARED
from adapter_workbench.experiments.studies.stream.results.quantities import BETTER, MAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport


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
