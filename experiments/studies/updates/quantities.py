"""The quantities of a comparison of ways of updating: of an adapter, and of a way over all updates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from adapter_workbench.experiments.reporting.cells import decimals, score, written
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.quantity import Quantity, Value, total
from adapter_workbench.experiments.studies.core.reference import Declared
from adapter_workbench.experiments.studies.updates.measures import FLIPS, FORGETTING, GAINS, MEAN, NEW, OLD, SCORE

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.updates.record import VersionAdapter
    from adapter_workbench.experiments.studies.updates.row import Row

SCORES, UPDATES, COSTS, SUMMARY = "scores", "updates", "costs", "summary"
Metrics: TypeAlias = "Mapping[str, Any]"  # metric → its value in a replication, or over all


def _mean(value: Any) -> Cell:
    """Return a mean in percent, its interval where there is room below."""
    return replace(score(value), spread="")


def _metric(name: str, about: str, head: str, *tables: str, cell: Callable[[Any], Cell] = _mean) -> Quantity[Metrics]:
    def read(metrics: Metrics) -> Value:
        value: Value = metrics[name]
        return value

    columns = {table: Column(head) for table in tables}
    return Quantity(name, "share", read, cell, about, columns, json="metrics", tracked="", summed=True)


METRICS = (
    _metric(SCORE, "score of the last version on all its test rows, mean over tasks", "score", SUMMARY, cell=score),
    _metric(OLD, "of the last version, on the test rows of the version before", "old rows", UPDATES, SUMMARY),
    _metric(NEW, "of the last version, on the test rows that came with it", "new rows", UPDATES, SUMMARY),
    _metric(MEAN, "mean over all versions of the score on all test rows of then", "all versions", UPDATES),
    _metric(
        FORGETTING,
        "mean over j < V of max over j ≤ i < V of A[i, j] − A[V, j], where A[i, j] is the score of version i on the "
        "test rows that came with version j",
        "forgotten",
        UPDATES,
    ),
    _metric(
        FLIPS,
        "share of the test rows of a version that it answers rightly and the next version wrongly, mean over updates",
        "right to wrong",
        UPDATES,
        SUMMARY,
    ),
    _metric(GAINS, "the same, the other way round", "wrong to right", UPDATES),
)
_FIT: Callable[[VersionAdapter], Any] = lambda cell: cell.fitted  # noqa: E731 - the quantities below read a fit
_TEST: Quantity[VersionAdapter] = Quantity(
    "version_score",
    "share",
    lambda cell: cell.fitted.score,
    score,
    "the task's main metric on all test rows of a version, which is the step in MLflow",
    tracked="",
)
_VALIDATION = fit.VALIDATION.placed(tracked="").of(_FIT)
_ROWS: Quantity[VersionAdapter] = Quantity(
    "rows_read",
    "rows",
    lambda cell: cell.rows,
    written(decimals(0)),
    "different training rows that an update reads, added up over the updates of a task",
    {COSTS: Column("rows read")},
    json="cost",
    tracked="cost",
    summed=True,
    within=total,
)
_STEPS: Quantity[VersionAdapter] = Quantity(
    "steps",
    "steps",
    lambda cell: float(cell.fitted.steps),
    written(decimals(0)),
    "optimiser steps, added up over the updates of a task",
    {COSTS: Column("steps")},
    json="cost",
    tracked="cost",
    within=total,
)
_SECONDS = fit.SECONDS.placed({COSTS: Column("updates", unit="s")}, json="cost", tracked="cost", summed=True).of(_FIT)
_PEAK = fit.PEAK_MEMORY.placed(
    {COSTS: Column("process memory", unit="MB", media=Medium.PAGE)}, json="cost", tracked="cost"
).of(_FIT)
_TRAINED = fit.PARAMETERS.placed(
    {COSTS: Column("trained parameters", short="trained")}, json="cost", tracked="cost"
).of(_FIT)
_STORED = fit.STORED.placed({COSTS: Column("stored", unit="MB")}, json="cost", tracked="cost").of(_FIT)
_SPENT = tuple(quantity.of(_FIT) for quantity in fit.spent_in(COSTS))
ADAPTER: tuple[Quantity[VersionAdapter], ...] = (
    _TEST,
    _VALIDATION,
    *(_COST := (_STEPS, _ROWS, _SECONDS, _PEAK, _TRAINED, _STORED, *_SPENT)),
)
METRIC: tuple[Quantity[Row], ...] = tuple(quantity.of(lambda row: row.metrics) for quantity in METRICS)
COST: tuple[Quantity[Row], ...] = tuple(quantity.over(lambda row: row.updates) for quantity in _COST)
ROW = (*METRIC, *COST)
DECLARED = (
    Declared("updates.LABEL", METRIC),
    Declared("updates.LABEL", (_TEST, _VALIDATION, *COST), "TASK"),
)
