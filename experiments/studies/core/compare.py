"""How the entries of a study differ from its reference, as columns of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from experiments.reporting.cells import minus_reference, minus_reference_over_examples
from experiments.reporting.presentation import Column, Medium
from experiments.reporting.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.reporting.differences import Difference

R = TypeVar("R")


def minus(reference: str, of: Callable[[R], Difference | None], note: str = "") -> Shown[R]:
    """Return the column of differences from the ``reference``, whose own row says that it is it."""
    return Shown(Column(f"minus {reference}", note), lambda row: minus_reference(of(row)))


def over_examples(of: Callable[[R], Difference | None]) -> Shown[R]:
    """Return the column of the same differences with their intervals over test examples."""
    return Shown(Column("over examples", media=Medium.PAGE), lambda row: minus_reference_over_examples(of(row)))
