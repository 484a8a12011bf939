"""A cell in one line, for media in which nothing stands below or beside a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import MARKS

if TYPE_CHECKING:
    from experiments.reporting.presentation import Cell


def one_line(cell: Cell) -> str:
    """Return ``+1.3 ±0.4 ▲``: the text, its interval and the mark of what that says."""
    return " ".join(part for part in (cell.text, cell.spread, MARKS.get(cell.badge, "")) if part)
