"""One number of a result, declared once: its name, its unit, how it is read and written, and where it appears.

A table's column and cell, a key of ``report --json``, CSV, LaTeX, a metric of MLflow and a row of the reference page
are made from the declaration. What a declaration leaves out (no column, no key, no metric) is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from adapter_workbench.experiments.reporting.presentation import Cell, Column
from adapter_workbench.experiments.reporting.shown import Shown
from adapter_workbench.workbench.measures.statistics import Interval, mean_of_known
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.adapter_run import Point

R = TypeVar(
    "R", contravariant=True
)  # what the number is read from: a result of a piece, or what is reported of an entry
S = TypeVar("S")
Value: TypeAlias = "float | Interval | None"  # None where it was not measured


def last(values: Sequence[float | None]) -> float | None:
    """Return the last of the values."""
    return values[-1] if values else None


def total(values: Sequence[float | None]) -> float | None:
    """Return the sum; None where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def highest(values: Sequence[float | None]) -> float | None:
    """Return the highest of the values that are known; None where none is."""
    return max((value for value in values if value is not None), default=None)


@dataclass(frozen=True)
class Quantity(Generic[R]):
    """A quantity of a study."""

    name: str  # its key in the JSON document, and the last part of its name in MLflow
    unit: str  # of the number as it is read: ``s``, ``MB``, ``bytes``, ``share`` (of 1), ``count``, …
    read: Callable[[R], Value]  # returns it, a number or a mean with its interval; None where it was not measured
    format: Callable[[Any], Cell]  # returns the cell that shows what ``read`` returned
    about: str  # what it is, in a sentence without a full stop; the reference page has it
    columns: Mapping[str, Column] = field(default_factory=dict)  # name of each table that shows it → the column there
    # the object of an entry's document that holds it; empty for the document itself, None for nowhere
    json: str | None = None
    # what its metrics in MLflow begin with; empty for its name alone, None where it is not logged
    tracked: str | None = None
    summed: bool = False  # whether an experiment's own run has its mean under the label of the entry
    # what several results of one unit come to together: a sum of times, the highest memory
    within: Callable[[Sequence[float | None]], float | None] = last

    def number(self, row: R) -> float | None:
        """Return the number that is read of ``row``; of an interval its mean."""
        value = self.read(row)
        return value.mean if isinstance(value, Interval) else None if value is None else float(value)

    def cell(self, row: R) -> Cell:
        """Return the cell of ``row``."""
        return self.format(self.read(row))

    def placed(self, columns: Mapping[str, Column] | None = None, **where: Any) -> Quantity[R]:
        """Return the same quantity where a study shows it; ``where``: further attributes, a name of its own too."""
        return replace(self, columns=columns or {}, **where)

    def reported(self, read: Callable[[S], Value]) -> Quantity[S]:
        """Return the same quantity as it is reported of an entry, of which ``read`` returns it."""
        return replace(self, read=read)  # type: ignore[arg-type, return-value]

    def of(self, part: Callable[[S], R | None]) -> Quantity[S]:
        """Return the same quantity of what has ``part``; None of what has none."""

        def read(row: S) -> Value:
            result = part(row)
            return None if result is None else self.read(result)

        return self.reported(read)

    def over(self, units: Callable[[S], Iterable[Sequence[R]]]) -> Quantity[S]:
        """Return the mean over ``units``, each of some results, as far as it is known."""

        def read(row: S) -> Value:
            return mean_of_known(self.within([self.number(result) for result in results]) for results in units(row))

        return self.reported(read)


def shown_in(name: str, quantities: Iterable[Quantity[R]]) -> list[Shown[R]]:
    """Return the columns that a table has, in the order of ``quantities``."""
    return [Shown(quantity.columns[name], quantity.cell) for quantity in quantities if name in quantity.columns]


def as_json(quantities: Iterable[Quantity[R]], row: R) -> dict[str, Any]:
    """Return what an entry's document holds: numbers by name, in the objects that the quantities name."""
    document: dict[str, Any] = {}
    for quantity in quantities:
        if quantity.json is not None:
            value = quantity.read(row)
            holder = document.setdefault(quantity.json, {}) if quantity.json else document
            holder[quantity.name] = value.as_json() if isinstance(value, Interval) else value
    return document


def points(quantities: Iterable[Quantity[R]], result: R, step: int, *unit: str) -> Iterator[Point]:
    """Yield the metrics of a result in its run; ``unit`` is what their names end in: the task, where there are some."""
    for quantity in quantities:
        if quantity.tracked is not None:
            first = [quantity.tracked] if quantity.tracked else []
            yield metric_name(*first, quantity.name, *unit), quantity.number(result), step


def means(quantities: Iterable[Quantity[R]], row: R, label: str, step: int) -> Iterator[Point]:
    """Yield the metrics that an experiment's own run has of an entry, with the bounds of intervals."""
    for quantity in quantities:
        if quantity.summed:
            value = quantity.read(row)
            yield metric_name(label, quantity.name), quantity.number(row), step
            if isinstance(value, Interval):
                yield metric_name(label, f"{quantity.name}_low"), value.low, step
                yield metric_name(label, f"{quantity.name}_high"), value.high, step
