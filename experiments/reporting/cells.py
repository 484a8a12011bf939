"""Cells of tables, by what stands in them: words, quantities, scores with their intervals, differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.collapses import worst_seed
from adapter_workbench.experiments.reporting.differences import MARKS
from adapter_workbench.experiments.reporting.presentation import Cell
from adapter_workbench.experiments.reporting.wording import DASH, bounds, decimal, margin, number, probability

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.workbench.measures.statistics import Interval

NOTHING = Cell("")
UNKNOWN = Cell(DASH)


def words(text: object, *notes: str, badge: str = "", tone: str = "even") -> Cell:
    """Return a cell of text; ``notes`` stand small below it."""
    return Cell(str(text), notes=notes, badge=badge, tone=tone)


def quantity(value: float | None, worded: Callable[[float | None], str] = number) -> Cell:
    """Return a number in the words that suit it: a score, a duration, a size."""
    return Cell(worded(value), value)


def written(worded: Callable[[float | None], str] = number, factor: float = 1.0) -> Callable[[float | None], Cell]:
    """Return what makes the cell of a number: ``factor`` times it, in the words that suit it."""
    return lambda value: quantity(None if value is None else factor * value, worded)


def decimals(digits: int) -> Callable[[float | None], str]:
    """Return what writes a number with so many decimals; a dash for None."""
    return lambda value: DASH if value is None else decimal(value, digits)


def score(value: Interval, better: str = "higher") -> Cell:
    """Return a mean score in percent, with its interval and the worst seed where it has several."""
    notes = _non_empty(bounds(value), worst_seed(value, better))
    return Cell(number(value.mean), value.mean, value, margin(value), notes)


def plain(value: Interval | None) -> Cell:
    """Return a mean and its interval in a unit of its own; a dash where nothing was measured."""
    if value is None or value.mean is None:
        return UNKNOWN
    limits = ""
    if value.low is not None and value.high is not None:
        limits = f"[{decimal(value.low, 3)}, {decimal(value.high, 3)}]"
    return Cell(decimal(value.mean, 3), value.mean, value, limits, _non_empty(limits))


def gap(difference: Difference | None, better: str = "higher") -> Cell:
    """Return a difference in points with its interval, and what the report says of it.

    The interval is that of the test, with one seed that over examples, and p stands below it.

    Args:
        difference: None where there is none.
        better: which of ``higher`` and ``lower`` is good.
    """
    if difference is None:
        return UNKNOWN
    shown, word = difference.shown, difference.reading
    tone = ("good" if word == better else "bad") if word in ("higher", "lower") else "even"
    spread = margin(shown) if shown is difference.seeds else bounds(shown)
    p = "" if difference.adjusted is None else probability(difference.adjusted, difference.level)
    return Cell(number(shown.mean, signed=True), shown.mean, shown, spread, _non_empty(bounds(shown), p), word, tone)


def over_examples(difference: Difference | None) -> Cell:
    """Return the same difference with its interval over test examples; what is said of it stands beside it."""
    if difference is None or difference.examples is None:
        return UNKNOWN
    value = difference.examples
    return Cell(number(value.mean, signed=True), value.mean, value, bounds(value), _non_empty(bounds(value)))


def minus_reference(difference: Difference | None) -> Cell:
    """Return a row's difference from the reference; the reference itself says that it is it."""
    return words("", badge="reference") if difference is None else gap(difference)


def minus_reference_over_examples(difference: Difference | None) -> Cell:
    """Return a row's difference from the reference with its interval over examples; nothing for the reference."""
    return NOTHING if difference is None else over_examples(difference)


def one_line(cell: Cell) -> str:
    """Return ``+1.3 ±0.4 ▲``: the text, its interval and the mark of what that says, for where one line is all."""
    return " ".join(part for part in (cell.text, cell.spread, MARKS.get(cell.badge, "")) if part)


def _non_empty(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)
