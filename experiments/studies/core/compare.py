"""How the entries of a study differ from what they are compared with, as columns of a table."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from adapter_workbench.experiments.reporting.cells import minus_reference, minus_reference_over_examples, score, words
from adapter_workbench.experiments.reporting.looks import decided_at
from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, ComparisonInWords, Named
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.reporting.shown import Shown
from adapter_workbench.experiments.studies.core.planned import Planned, planned_family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.plain_verdicts import MetricWords
    from adapter_workbench.experiments.reporting.presentation import Cell
    from adapter_workbench.workbench.measures.statistics import Interval

R = TypeVar("R")
ComparedT = TypeVar("ComparedT", bound="Compared")


class Compared(Protocol):
    """What is reported of an entry that is compared with another.

    Attributes:
        label: what the recipe calls it.
        tasks: task → its score, over seeds.
        difference: minus the score of what it is compared with; None for the reference.
        cells: what each unit gave, as far as it is there.
    """

    @property
    def label(self) -> str: ...  # noqa: D102 - above
    @property
    def tasks(self) -> Mapping[str, Interval]: ...  # noqa: D102
    @property
    def difference(self) -> Difference | None: ...  # noqa: D102
    @property
    def cells(self) -> Sequence[Any]: ...  # noqa: D102


def declared(rows: Iterable[Compared]) -> dict[str, Difference]:
    """Return by label what the recipe compares."""
    return {row.label: row.difference for row in rows if row.difference}


class ComparedWithOne(Compared, Protocol):
    """A row that says with what: ``against`` is the label of that, empty for the reference."""

    @property
    def against(self) -> str: ...  # noqa: D102


def planned(rows: Iterable[ComparedWithOne], words: MetricWords = SCORED) -> tuple[ComparisonInWords, ...]:
    """Return what the recipe compares, in the words of its metric."""
    return tuple(
        ComparisonInWords(Named(row.label), Named(row.against), words, row.difference) for row in rows if row.difference
    )


def in_one_family(
    rows: Sequence[ComparedT], record: Planned, against: Mapping[str, str] | None = None
) -> tuple[ComparedT, ...]:
    """Return the rows with their differences as the declared test sees them, adjusted for how many there are.

    ``against``: label → what it is compared with, where that is not the same for all.
    """
    family = planned_family(declared(rows), record.declared_test, record.settled.get("", {}), against)
    return tuple(replace(row, difference=family.get(row.label)) for row in rows)  # type: ignore[type-var]


def labelled(head: str) -> Shown[Any]:
    """Return the column of labels."""
    return Shown(Column(head), lambda row: words(row.label))


def by_tasks(tasks: Iterable[str], media: Medium = Medium.ANY) -> list[Shown[Any]]:
    """Return a column of scores for each task."""
    return [Shown(Column(task, media=media), partial(_on_task, task)) for task in tasks]


def _on_task(task: str, row: Compared) -> Cell:
    return score(row.tasks[task])


def difference_of(row: Compared) -> Difference | None:
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


def difference_cell(row: Compared) -> Cell:
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
