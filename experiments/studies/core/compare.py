"""How the entries of a study differ from what they are compared with, as columns of a table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from adapter_workbench.experiments.reporting.cells import minus_reference, minus_reference_over_examples, score, words
from adapter_workbench.experiments.reporting.looks import decided_at
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.reporting.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.presentation import Cell
    from adapter_workbench.experiments.studies.core.quantity import Quantity
    from adapter_workbench.experiments.studies.core.rows import Row

R = TypeVar("R")


def labelled(head: str) -> Shown[Any]:
    """Return the column of labels."""
    return Shown(Column(head), lambda row: words(row.label))


def by_tasks(tasks: Iterable[str], quantity: Quantity[Any], media: Medium = Medium.ANY) -> list[Shown[Any]]:
    """Return a column for each task: a score, mean over replications."""
    return [Shown(Column(task, media=media), partial(_on_task, quantity, task)) for task in tasks]


def _on_task(quantity: Quantity[Any], task: str, row: Row[Any]) -> Cell:
    return score(row.on(task, quantity.number))


def difference_of(row: Row[Any]) -> Difference | None:
    """Return the difference of a row from what it is compared with."""
    return row.difference


def differences(
    reference: str, against: Mapping[str, str], cell: Callable[[R], Cell], note: str = ""
) -> list[Shown[R]]:
    """Return the column of differences; where not all are from the ``reference``, after one that says from what.

    Args:
        reference: of the recipe.
        against: label → what it is compared with.
        cell: writes the difference of a row.
        note: below the head.
    """
    if {*against.values()} <= {reference}:
        return [Shown(Column(f"minus {reference}", note), cell)]
    whom: Shown[Any] = Shown(Column("against", left=True), lambda row: words(against.get(row.label, "")))
    return [whom, Shown(Column("difference", note), cell)]


def difference_cell(row: Row[Any]) -> Cell:
    """Return the difference of a row; the reference, which has none, says that it is it."""
    return minus_reference(row.difference)


def at_look(looks: Sequence[int], of: Callable[[Any], Difference | None]) -> list[Shown[Any]]:
    """Return the column of the look at which each difference was decided; none where there are no ``looks``."""
    return [Shown(Column("seeds", left=True), lambda row: words(decided_at(of(row))))] if looks else []


def compared_in_words(reference: str, against: Mapping[str, str]) -> str:
    """Return what differences are taken from: the ``reference``, or what each row names."""
    return reference if {*against.values()} <= {reference} else "what each is compared with"


def over_examples(of: Callable[[R], Difference | None]) -> Shown[R]:
    """Return the column of the same differences with their intervals over test examples."""
    return Shown(Column("over examples", media=Medium.PAGE), lambda row: minus_reference_over_examples(of(row)))
