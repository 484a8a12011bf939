"""Cells of tables, by what stands in them: words, quantities, scores with their intervals, differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import MARKS, reading
from experiments.reporting.presentation import Cell
from experiments.reporting.wording import DASH, bounds, margin, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.reporting.differences import Difference
    from workbench.statistics import Interval

NOTHING = Cell("")
UNKNOWN = Cell(DASH)


def words(text: object, *notes: str, badge: str = "", tone: str = "even") -> Cell:
    """Return a cell of text; ``notes`` stand small below it."""
    return Cell(str(text), notes=notes, badge=badge, tone=tone)


def quantity(value: float | None, worded: Callable[[float | None], str] = number) -> Cell:
    """Return a number in the words that suit it: a score, a duration, a size."""
    return Cell(worded(value), value)


def decimals(digits: int) -> Callable[[float | None], str]:
    """Return what writes a number with so many decimals; a dash for None."""
    return lambda value: DASH if value is None else f"{value:.{digits}f}"


def score(value: Interval) -> Cell:
    """Return a mean score in percent, with its interval where it has one."""
    return Cell(number(value.mean), value.mean, value, margin(value), _filled(bounds(value)))


def plain(value: Interval | None) -> Cell:
    """Return a mean and its interval in a unit of its own; a dash where nothing was measured."""
    if value is None or value.mean is None:
        return UNKNOWN
    known = value.low is not None and value.high is not None
    limits = f"[{value.low:.3f}, {value.high:.3f}]" if known else ""
    return Cell(f"{value.mean:.3f}", value.mean, value, limits, _filled(limits))


def gap(value: Interval | None, better: str, asymmetric: bool = False, tested: str = "", p: str = "") -> Cell:
    """Return a difference in points, and what its interval says.

    Args:
        value: the difference with its interval; None where there is none.
        better: which of ``higher`` and ``lower`` is good.
        asymmetric: whether the interval is written with both of its bounds, where there is room for one line only.
        tested: what a test says, where that and not the interval decides.
        p: of that test, in words.
    """
    if value is None:
        return UNKNOWN
    word = tested or reading(value)
    tone = ("good" if word == better else "bad") if word in ("higher", "lower") else "even"
    spread = bounds(value) if asymmetric else margin(value)
    return Cell(number(value.mean, signed=True), value.mean, value, spread, _filled(bounds(value), p), word, tone)


def against(difference: Difference | None) -> tuple[Cell, Cell]:
    """Return a row's difference from the reference, over seeds and over examples; of the reference, that it is it."""
    if difference is None:
        return words("", badge="reference"), NOTHING
    return gap(difference.seeds, "higher"), gap(difference.examples, "higher")


def one_line(cell: Cell) -> str:
    """Return ``+1.3 ±0.4 ▲``: the text, its interval and the mark of what that says, for where one line is all."""
    return " ".join(part for part in (cell.text, cell.spread, MARKS.get(cell.badge, "")) if part)


def _filled(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)
