"""The quantities of a comparison of routers: of one seed, of a router or joint model, and of a task's own adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import decimals, score, written
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.reporting.wording import seconds
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.quantity import Quantity
from adapter_workbench.experiments.studies.core.reference import Declared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.routing.record import EntryResult
    from adapter_workbench.experiments.studies.routing.row import AdapterRow, Row
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter

PAGE = Medium.PAGE

_ACCURACY: Quantity[EntryResult] = Quantity(
    "accuracy",
    "share",
    lambda cell: cell.outcome.accuracy,
    score,
    "share of test texts with the right task and the right label, mean over tasks",
    {"routers": Column("accuracy"), "summary": Column("accuracy")},
    json="",
    tracked="",
    summed=True,
)
_TASK_FOUND: Quantity[EntryResult] = Quantity(
    "routing_accuracy",
    "share",
    lambda cell: cell.outcome.routing_accuracy,
    score,
    "share of test texts with the right task, mean over tasks",
    {"routers": Column("routing accuracy", short="task found"), "summary": Column("task found")},
    json="",
    tracked="",
    summed=True,
)
_FIT: Quantity[EntryResult] = Quantity(
    "fit_seconds",
    "s",
    lambda cell: cell.fit_seconds,
    written(seconds),
    "to learn of all adapters, or to train the joint model; null where the workspace knew some of it before",
    {"routers": Column("learned in", unit="s", media=PAGE)},
    json="",
    tracked="cost",
)
_CHOOSING: Quantity[EntryResult] = Quantity(
    "milliseconds_a_text",
    "ms",
    lambda cell: cell.milliseconds,
    written(decimals(1)),
    "to choose an adapter for a text; null for a joint model",
    {"routers": Column("ms a text")},
    json="",
    tracked="cost",
)
SEED = (_ACCURACY, _TASK_FOUND, _FIT, _CHOOSING)


def _mean(quantity: Quantity[EntryResult]) -> Quantity[Row]:
    """Return the mean over the seeds that are there."""

    def seeds(row: Row) -> Iterator[tuple[EntryResult]]:
        yield from ((cell,) for cell in row.cells)

    return quantity.over(seeds)


ACCURACIES: tuple[Quantity[Row], ...] = (
    _ACCURACY.reported(lambda row: row.accuracy),
    _TASK_FOUND.reported(lambda row: row.routing_accuracy),
)
COST = (_mean(_FIT), _mean(_CHOOSING))
ENTRY = (*ACCURACIES, *COST)


def _of_adapters(quantity: Quantity[FittedAdapter]) -> Quantity[AdapterRow]:
    """Return the mean over seeds."""

    def seeds(row: AdapterRow) -> Iterator[tuple[FittedAdapter]]:
        yield from ((adapter,) for adapter in row.adapters)

    return quantity.over(seeds)


_SCORE: Quantity[AdapterRow] = Quantity(
    "score",
    "share",
    lambda row: row.score,
    score,
    "share of right answers on the task's test split, where the task is known",
    {"adapters": Column("score")},
    json="",
)
ADAPTER: tuple[Quantity[AdapterRow], ...] = (
    _SCORE,
    _of_adapters(fit.VALIDATION.placed({"adapters": Column("validation")}, json="")),
    _of_adapters(fit.SECONDS.placed({"adapters": Column("fit")}, json="")),
    _of_adapters(fit.PARAMETERS.placed({"adapters": Column("trained parameters")}, json="")),
)
DECLARED = (Declared("contenders.LABEL", ENTRY), Declared("adapters.TASK", ADAPTER))
