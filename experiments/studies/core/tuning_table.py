"""The table of the learning rates that were tried, with the one that validation chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from adapter_workbench.experiments.reporting.cells import words
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import number
from adapter_workbench.experiments.studies.core.widening import is_enclosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from adapter_workbench.experiments.studies.core.tune import LearningRateTrial

R = TypeVar("R")


class Searched(Protocol):
    """Learning rates that were tried, and the one that was chosen."""

    @property
    def attempts(self) -> tuple[LearningRateTrial, ...]: ...  # noqa: D102 - above
    @property
    def chosen(self) -> float: ...  # noqa: D102


def tuning_table(
    whose: Iterable[Shown[R]], searches: Iterable[R], searched: Callable[[R], Searched], note: str
) -> Table:
    """Return it: a row for each search.

    Args:
        whose: the columns that say whose search it is.
        searches: all of them.
        searched: returns what was tried in one.
        note: how it was chosen.
    """

    def chosen(row: R) -> Cell:
        rate, tried = searched(row).chosen, searched(row).attempts
        edge = "" if len(tried) < 2 or is_enclosed(tried) else "at the edge of what was tried"
        return Cell(f"{rate:.2g}", rate, notes=(edge,) if edge else ())

    def tried(row: R) -> Cell:
        return words(", ".join(map(_in_words, searched(row).attempts)))

    columns = [*whose, Shown(Column("chosen", left=True), chosen), Shown(Column("tried", left=True), tried)]
    title = "Learning rates that were tried"
    return table("learning-rates", title, searches, columns, note, media=Medium.PAGE)


def _in_words(attempt: LearningRateTrial) -> str:
    return f"{attempt.learning_rate:.2g}: {'failed' if attempt.validation is None else number(attempt.validation)}"
