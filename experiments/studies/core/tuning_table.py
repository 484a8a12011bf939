"""The table of the learning rates that were tried, with the one that validation chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import words
from experiments.reporting.presentation import Cell, Column, Medium, Table
from experiments.reporting.wording import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from experiments.studies.core.tune import Attempt


def tuning_table(
    heads: Sequence[str], rows: Iterable[tuple[Sequence[str], float, Sequence[Attempt]]], note: str
) -> Table:
    """Return it: a row for each search.

    Args:
        heads: of the columns that say whose search it is.
        rows: what stands in these, the learning rate that was chosen, what was tried.
        note: how it was chosen.
    """
    return Table(
        "learning-rates",
        "Learning rates that were tried",
        (Column(heads[0]), *(Column(head, left=True) for head in (*heads[1:], "chosen", "tried"))),
        [
            (*map(words, whose), Cell(f"{chosen:.2g}", chosen), words(", ".join(map(_in_words, attempts))))
            for whose, chosen, attempts in rows
        ],
        note=note,
        media=Medium.PAGE,
    )


def _in_words(attempt: Attempt) -> str:
    return f"{attempt.learning_rate:.2g}: {'failed' if attempt.validation is None else number(attempt.validation)}"
