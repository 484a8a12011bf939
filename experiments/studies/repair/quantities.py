"""The quantities of a study of repairs: what is answered after a repair, and what the repair took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from adapter_workbench.experiments.reporting.cells import decimals, score, written
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium
from adapter_workbench.experiments.reporting.wording import seconds, share
from adapter_workbench.experiments.studies.core.quantity import Quantity, Value
from adapter_workbench.experiments.studies.core.reference import Declared

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.repair.record import Repaired
    from adapter_workbench.experiments.studies.repair.row import Row

TABLE = "repairs"
Values: TypeAlias = "Mapping[str, Any]"  # metric → its value in a replication, or over all


def _mean(value: Any) -> Cell:
    """Return a mean score in percent, its interval where there is room below."""
    return replace(score(value), spread="")


def _kept(value: Any) -> Cell:
    """Return the same as a share of what was learned."""
    return replace(score(value), text=share(value.mean), spread="")


def _metric(name: str, cell: Callable[[Any], Cell], head: str, about: str) -> Quantity[Values]:
    def read(values: Values) -> Value:
        value: Value = values[name]
        return value

    columns = {TABLE: Column(head), "summary": Column(head)}
    return Quantity(name, "share", read, cell, about, columns, json="metrics", tracked="", summed=True)


AVERAGE = _metric("average_accuracy", score, "average", "mean score on the test splits of all tasks")
METRICS = (
    AVERAGE,
    _metric("earlier_accuracy", _mean, "earlier tasks", "the same of all tasks but the last"),
    _metric("last_accuracy", _mean, "last task", "score on the test split of the task that was learned last"),
    _metric(
        "retention",
        _kept,
        "retention",
        "share of what was learned of the earlier tasks that is there: Σ (R′[T, j] − M[j]) ÷ Σ (R[j, j] − M[j])",
    ),
)
_VALIDATION: Quantity[Repaired] = Quantity(
    "validation",
    "share",
    lambda repaired: repaired.validation,
    written(),
    "mean score on the validation splits of what was chosen, none of a control; in JSON of each replication, before "
    "and after",
    {TABLE: Column("validation", media=Medium.PAGE)},
    json="",
    tracked="",
)
_SECONDS: Quantity[Repaired] = Quantity(
    "seconds",
    "s",
    lambda repaired: repaired.seconds,
    written(seconds),
    "wall time of all attempts and of their tests; in JSON of each replication",
    {TABLE: Column("took", unit="s", media=Medium.PAGE)},
    json="",
    tracked="cost",
)
_ROWS: Quantity[Repaired] = Quantity(
    "rows_a_task",
    "rows",
    lambda repaired: repaired.rows_a_task,
    written(decimals(0)),
    "labelled rows of a task that were read, training and validation, on average over tasks; in JSON of each "
    "replication",
    {TABLE: Column("rows a task")},
    json="",
    tracked="",
)
REPAIRED = (_ROWS, _VALIDATION, _SECONDS)
ROW: tuple[Quantity[Row], ...] = tuple(quantity.of(lambda row: row.metrics) for quantity in METRICS)
COST: tuple[Quantity[Row], ...] = tuple(
    quantity.over(lambda row: ((repaired,) for repaired in row.repaired)) for quantity in REPAIRED
)
DECLARED = (Declared("strategies.LABEL.repairs.REPAIR", (*ROW, *COST)),)
