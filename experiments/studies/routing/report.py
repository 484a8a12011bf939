"""What a comparison of routers came to: numbers, differences, verdict, JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from adapter_workbench.experiments.reporting.cells import decimals, score, written
from adapter_workbench.experiments.reporting.learned_nothing import learned_nothing_in
from adapter_workbench.experiments.reporting.plain_verdicts import sentences
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.reporting.wording import number, seconds
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.facts import Facts, compared_rows
from adapter_workbench.experiments.studies.core.quantity import Quantity, as_json
from adapter_workbench.experiments.studies.core.reference import Declared
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.core.rows import (
    At,
    Row,
    RowsReport,
    compared,
    difference,
    mean_of_cells,
    of_row,
    scores_of,
)
from adapter_workbench.experiments.studies.routing.record import (
    JOINT,
    ORACLE,
    ROUTER,
    Entry,
    EntryResult,
    RoutingRecord,
)
from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.studies.core.facts import Document
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.workbench.measures.statistics import Interval

PAGE = Medium.PAGE


# --- numbers


ACCURACY: Quantity[EntryResult] = Quantity(
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
TASK_FOUND: Quantity[EntryResult] = Quantity(
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
SEED = (ACCURACY, TASK_FOUND, _FIT, _CHOOSING)


ACCURACIES = (of_row(ACCURACY), of_row(TASK_FOUND))
COST = (mean_of_cells(_FIT), mean_of_cells(_CHOOSING))
ENTRY = (*ACCURACIES, *COST)


_SCORE: Quantity[FittedAdapter] = Quantity(
    "score",
    "share",
    lambda of: of.score,
    score,
    "share of right answers on the task's test split, where the task is known",
    {"adapters": Column("score")},
    json="",
)
ADAPTER: tuple[Quantity[Any], ...] = (
    of_row(_SCORE),
    mean_of_cells(fit.VALIDATION.placed({"adapters": Column("validation")}, json="")),
    mean_of_cells(fit.SECONDS.placed({"adapters": Column("fit")}, json="")),
    mean_of_cells(fit.PARAMETERS.placed({"adapters": Column("trained parameters")}, json="")),
)
DECLARED = (Declared("contenders.LABEL", ENTRY), Declared("adapters.TASK", ADAPTER))


@dataclass(frozen=True)
class RoutedRow(Row[EntryResult]):
    """One router, or one joint model; a result is of the texts of all tasks.

    Attributes:
        names: of the tasks whose texts are routed.
    """

    names: tuple[str, ...] = ()

    @property
    def routes(self) -> bool:
        """Whether it is a router that has to find the task itself."""
        return bool(self.entry.role == ROUTER and self.entry.name != ORACLE)

    @cached_property
    def confusion(self) -> tuple[tuple[float, ...], ...]:
        """Share of task i's texts that were taken for task j (T, T), mean over seeds; empty before any."""
        shares = [result.outcome.confusion for result in self.cells]
        return tuple(map(tuple, np.mean(shares, axis=0).tolist())) if shares else ()

    def by_task(self, task: str) -> Interval:
        """Return the share of a task's test texts with the right task and the right label."""
        index = self.names.index(task)
        return self.over(lambda result: result.outcome.accuracies[index])


@dataclass(frozen=True)
class AdapterRow(Row[FittedAdapter]):
    """The adapters of one task, which is the label, one for each seed, where the task is known.

    Attributes:
        learned_nothing: (seed, why) of those that seem to have learned nothing.
    """

    learned_nothing: tuple[tuple[int, str], ...] = ()


# --- the report


def rows_of(record: RoutingRecord, brief: bool = False) -> tuple[RoutedRow, ...]:
    """Return a row for each router and joint model."""
    replications = tuple((seed, 0) for seed in record.seeds)
    adapters = {seed: math.fsum(of.seconds for of in record.adapters if of.seed == seed) for seed in record.seeds}

    def took(result: EntryResult) -> list[float | None]:
        """Return what an entry took with its seed; a router needs that seed's adapters."""
        return [(result.fit_seconds or 0.0) + (adapters[result.seed] if result.milliseconds is not None else 0.0)]

    def examples(result: EntryResult, task: str) -> pd.Series:
        return _examples(record, result, task)

    def differ(ours: RoutedRow, theirs: RoutedRow) -> Difference:
        problems = dict.fromkeys(record.tasks, ours.tasks)  # a result tells of the texts of all
        return difference(ours, theirs, ACCURACY.number, examples, problems=problems, seconds=took)

    rows = []
    for entry in record.entries:
        cells = {of.seed: of for of in record.cells if of.label == entry.label}
        results = {At(seed): cells[seed] for seed in record.seeds if seed in cells}
        control = record.controls.get(entry.label)
        against = {"": control} if control else {}
        rows.append(RoutedRow(entry.label, entry, replications, ("",), results, against, names=record.tasks))
    return tuple(rows) if brief else compared(rows, "", record, differ)


def _examples(record: RoutingRecord, result: EntryResult, task: str) -> pd.Series:
    import pandas as pd

    return pd.Series(result.outcome.scores[record.tasks.index(task)])


def _adapters(record: RoutingRecord, outcomes: Callable[[str], Path]) -> Iterator[AdapterRow]:
    """Yield a row for the adapters of each task."""
    for task in record.tasks:
        fits = {At(of.seed): of for of in record.adapters if of.task == task}
        failures = ((of.seed, learned_nothing_in(outcomes(of.evaluation), of.score)) for of in fits.values())
        learned_nothing = tuple((seed, why) for seed, why in failures if why is not None)
        replications = tuple((seed, 0) for seed in record.seeds)
        yield AdapterRow(task, None, replications, ("",), fits, learned_nothing=learned_nothing)


@dataclass(frozen=True)
class RoutingReport(RowsReport):
    """Everything that is said about a comparison of routers."""

    study: ClassVar[str] = "routing"
    record: RoutingRecord
    rows: tuple[RoutedRow, ...]
    adapters: tuple[AdapterRow, ...]

    @property
    def verdict(self) -> str:  # type: ignore[override]  # it is made of its sentences
        """How the best router does, what every comparison of the recipe came to, and how much is there."""
        return " ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        record, scored, (accuracy, routed) = self.record, self.scored, ACCURACIES
        if not self.complete:
            yield f"Not finished: {record.done} of {record.planned} adapters, joint models and routers are there."
        best = next((row for row in scored if row.routes), None)
        if best is None:
            yield _ranking(scored) if self.complete else "No router that has to find the task was measured yet."
            return
        yield (
            f"{best.label} has the highest test accuracy of the routers: on average over tasks it finds the task of "
            f"{number(routed.number(best))} % of the texts, and {number(accuracy.number(best))} % get the right answer."
        )
        oracle = next((row for row in scored if row.entry.name == ORACLE and row.label != record.reference), None)
        if oracle:
            yield f"Where the task is known, it is {number(accuracy.number(oracle))} %."
        yield from sentences(self.planned)

    def score_of(self, result: Any) -> float | None:
        """Return the accuracy over all tasks."""
        return ACCURACY.number(result)

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: whether it knows the task, what it learns from, and how many models it may ask."""
        return {entry.label: _circumstances(self.record, entry) for entry in self.record.entries}

    @property
    def scored(self) -> list[RoutedRow]:
        """The rows that were measured, the most accurate first."""
        return sorted((row for row in self.rows if row.cells), key=lambda row: -(ACCURACIES[0].number(row) or 0))

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds what every seed gave, text by text."""
        record = self.record
        document = {
            **self.head("tasks", "budget"),
            "sources": {"method": record.method, **record.settings},
            "contenders": {row.label: _entry(row, full) for row in self.rows},
            "adapters": {row.label: _adapter(row) for row in self.adapters},
        }
        return self.checked(document, facts)


def _ranking(scored: list[RoutedRow]) -> str:
    best = scored[0]
    accuracy = number(ACCURACIES[0].number(best))
    return f"No router here has to find the task; the highest accuracy is that of {best.label}: {accuracy} %."


def _circumstances(record: RoutingRecord, entry: Entry) -> dict[str, Any]:
    joint, tasks = entry.role == JOINT, len(record.tasks)
    return {
        "is told the task": "yes" if (entry.role, entry.name) == (ROUTER, ORACLE) else "no",
        "models that answer": 1 if joint else tasks,
        "tasks whose examples a fit sees": tasks if joint else 1,
        "examples of each task that the router reads": _read(record, entry),
        "optimiser steps of the router for each task": 0 if joint else entry.settings.get("steps", 0),
    }


def _read(record: RoutingRecord, entry: Entry) -> int | str | None:
    if entry.role == ROUTER and entry.reads_data is None:
        return None  # a record of an earlier version
    return (record.budget.get("train_examples") or "all") if entry.reads_data else 0


def _entry(row: RoutedRow, full: bool) -> dict[str, Any]:
    entry = row.entry
    return {
        "role": entry.role,
        "name": entry.name,
        "settings": dict(entry.settings),
        **as_json(ENTRY, row),
        "tasks": {task: row.by_task(task).as_json() for task in row.names},
        "confusion": [list(shares) for shares in row.confusion],
        "against": row.against.get("") or None,
        "difference": row.difference.as_json() if row.difference else None,
        **({"seeds": [asdict(result) for result in row.cells]} if full else {}),
    }


def _adapter(row: AdapterRow) -> dict[str, Any]:
    failures = [{"seed": seed, "why": why} for seed, why in row.learned_nothing]
    return {**as_json(ADAPTER, row), "learned_nothing": failures}


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells; None for that of another study."""
    rows = document.get("contenders")
    if rows is None:
        return None
    return Facts(tuple(rows), tuple(compared_rows(rows, document["reference"], ["name"], "accuracy")))


def summarise(record: RoutingRecord, outcomes: Callable[[str], Path], brief: bool = False) -> RoutingReport:
    """Return the report on a comparison as far as it has come; ``brief``: without what compares two entries.

    ``outcomes`` finds the file of a stored evaluation.
    """
    return RoutingReport(record, rows_of(record, brief), tuple(_adapters(record, outcomes)))


report = reported(
    RoutingRecord, lambda record, workspace, brief: summarise(record, workspace.evaluations.require_outcomes, brief)
)


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the accuracy of each entry: it is of all tasks together, since each text may go to any of them."""
    record = RoutingRecord.read(experiment, document, workspace)
    first = next(iter(record.cells), None)
    sizes = dict(zip(record.tasks, map(len, first.outcome.correct), strict=True)) if first else {}
    rows = rows_of(record, brief=True)
    return scores_of(rows, "accuracy", ACCURACY.number, record, sizes, lambda of, task: _examples(record, of, task))
