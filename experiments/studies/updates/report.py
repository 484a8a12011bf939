"""What a comparison of ways of updating came to: numbers, differences, verdict, JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.reporting.cells import decimals, score, written
from adapter_workbench.experiments.reporting.examples import scores_by_example
from adapter_workbench.experiments.reporting.learned_nothing import learned_nothing_in
from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, sentences
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.facts import Facts, PlannedComparison, compared_rows, unlike
from adapter_workbench.experiments.studies.core.quantity import Quantity, as_json, total
from adapter_workbench.experiments.studies.core.reference import Declared
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.core.rows import (
    At,
    Row,
    RowsReport,
    compared,
    difference,
    of_row,
    scores_of,
)
from adapter_workbench.experiments.studies.core.shared_texts import across_tasks
from adapter_workbench.experiments.studies.core.tune import first_rate
from adapter_workbench.experiments.studies.updates.record import (
    FLIPS,
    FORGETTING,
    GAINS,
    MEAN,
    NEW,
    OLD,
    SCORE,
    Entry,
    UpdatesRecord,
    VersionAdapter,
    VersionScores,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.studies.core.facts import Document
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.workbench.measures.statistics import Interval

SCORES, UPDATES, COSTS, SUMMARY = "scores", "updates", "costs", "summary"
NAMES = ("way", "method")  # what an entry is
ROWS: Mapping[str, Callable[[VersionScores], pd.Series]] = {  # metrics that are means over rows of the last test split
    SCORE: lambda tested: tested.versions[-1],
    OLD: lambda tested: tested.old_rows,
    NEW: lambda tested: tested.new_rows,
}


# --- numbers


@dataclass(frozen=True)
class Chain:
    """The versions of one task in one replication, each made from the one before, as far as they are there.

    Attributes:
        tested: what they score row by row; None before all are there.
        whole: whether all are there.
    """

    versions: tuple[VersionAdapter, ...]
    tested: VersionScores | None
    whole: bool

    def metric(self, name: str) -> float | None:
        """Return what the versions come to in a metric; None before all are there."""
        return self.tested.metrics[name] if self.tested else None

    def score(self, version: int) -> float | None:
        """Return the score of a version on all its test rows; None where it is not there."""
        return next((of.fitted.score for of in self.versions if of.version == version), None)


def _mean(value: Any, better: str = "higher") -> Cell:
    """Return a mean in percent, its interval where there is room below."""
    return replace(score(value, better), spread="")


_loss = partial(_mean, better="lower")


def _metric(name: str, about: str, head: str, *tables: str, cell: Callable[[Any], Cell] = _mean) -> Quantity[Chain]:
    columns = {table: Column(head) for table in tables}
    return Quantity(
        name, "share", lambda chain: chain.metric(name), cell, about, columns, json="metrics", tracked="", summed=True
    )


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
        cell=_loss,
    ),
    _metric(
        FLIPS,
        "share of the test rows of a version that it answers rightly and the next version wrongly, mean over updates",
        "right to wrong",
        UPDATES,
        SUMMARY,
        cell=_loss,
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
METRIC = tuple(map(of_row, METRICS))
COST: tuple[Quantity[UpdatesRow], ...] = tuple(quantity.over(lambda row: row.updates) for quantity in _COST)
ROW: tuple[Quantity[Any], ...] = (*METRIC, *COST)
DECLARED = (
    Declared("updates.LABEL", METRIC),
    Declared("updates.LABEL", (_TEST, _VALIDATION, *COST), "TASK"),
)
COMPARED = tuple(metric for metric in METRICS if metric.name != GAINS)  # flips back say no more than the score
LAST = METRICS[0]  # the score of the last version
LAST_SCORE = METRIC[0]  # its mean over tasks


@dataclass(frozen=True)
class UpdatesRow(Row[Chain]):
    """One entry.

    Attributes:
        learned_nothing: (task, seed, why) of the last versions that seem to have learned nothing.
    """

    learned_nothing: tuple[tuple[str, int, str], ...] = ()

    @property
    def adapters(self) -> tuple[VersionAdapter, ...]:
        """Every adapter that is there."""
        return tuple(of for chain in self.cells for of in chain.versions)

    @property
    def updates(self) -> Iterator[tuple[VersionAdapter, ...]]:
        """The adapters of the updates of each task with each seed, all versions but the first, where all are there."""
        return (chain.versions[1:] for chain in self.cells if chain.whole)

    def at_version(self, task: str, number: int) -> Interval:
        """Return the score of a version on all its test rows, over seeds."""
        return self.on(task, lambda chain: chain.score(number))


# --- the report


def rows_of(record: UpdatesRecord, outcomes: Callable[[str], Path], brief: bool = False) -> tuple[UpdatesRow, ...]:
    """Return a row for each entry; ``outcomes`` finds the file of a stored evaluation."""

    @cache
    def by_example(evaluation: str, value: float) -> pd.Series | None:
        """Return whether each test row was answered rightly: entries share the evaluation of the first version."""
        return scores_by_example(outcomes(evaluation), value)

    def failed(at: At, chain: Chain) -> str | None:
        last = chain.versions[-1].fitted
        return learned_nothing_in(outcomes(last.evaluation), last.score, record.majority.get(at.task))

    replications = tuple((seed, 0) for seed in record.seeds)
    rows = []
    for entry in record.entries:
        chains, control = _chains(record, entry.label, by_example), record.controls.get(entry.label)
        against = {metric.name: control for metric in COMPARED} if control else {}
        failures = ((at, failed(at, chain)) for at, chain in chains.items() if chain.tested)
        failed_on = tuple((at.task, at.seed, why) for at, why in failures if why is not None)
        rows.append(UpdatesRow(entry.label, entry, replications, record.tasks, chains, against, {}, failed_on))
    for metric in () if brief else COMPARED:
        rows = [*compared(rows, metric.name, record, partial(_difference, metric, record))]
    return tuple(rows)


def _chains(record: UpdatesRecord, label: str, by_example: Callable[[str, float], pd.Series | None]) -> dict[At, Chain]:
    """Return the versions of each task and seed, in their order."""
    versions: dict[At, list[VersionAdapter]] = {}
    for of in sorted(record.cells, key=lambda of: of.version):
        if of.label == label:
            versions.setdefault(At(of.seed, task=of.task), []).append(of)

    def chain(own: Sequence[VersionAdapter]) -> Chain:
        whole = len(own) == record.versions
        scores = [by_example(of.fitted.evaluation, of.fitted.score) for of in own] if whole else []
        known = [of for of in scores if of is not None]
        return Chain(tuple(own), VersionScores(known) if len(known) == record.versions else None, whole)

    return {at: chain(own) for at, own in versions.items()}


def _difference(metric: Quantity[Chain], record: UpdatesRecord, ours: UpdatesRow, theirs: UpdatesRow) -> Difference:
    rows = ROWS.get(metric.name)

    def examples(chain: Chain, _: str) -> pd.Series | None:
        return rows(chain.tested) if rows and chain.tested else None

    return difference(
        ours,
        theirs,
        metric.number,
        examples=examples if rows else None,
        sizes=lambda chain: [chain.tested.sizes[metric.name]] if chain.tested else [],
        shared=[record.shared_texts.get(task, {}) for task in ours.tasks],
        apart=not across_tasks(record.shared_texts),  # else their results are not independent: no stratified test
        seconds=lambda chain: [of.fitted.seconds for of in chain.versions],
        shares=metric.name != FORGETTING,
    )


@dataclass(frozen=True)
class UpdatesReport(RowsReport):
    """Everything that is said about a comparison of ways of updating; the score of the last version decides."""

    study: ClassVar[str] = "updates"
    words: ClassVar = {SCORE: SCORED}
    record: UpdatesRecord
    rows: tuple[UpdatesRow, ...]

    @property
    def verdict(self) -> str:  # type: ignore[override]  # it is made of its sentences
        """What every comparison of the recipe came to, and how much is there if it is not the whole."""
        return self.record.judged(" ".join(sentences(self.planned)), "adapters")

    def score_of(self, result: Any) -> float | None:
        """Return the score of the last version."""
        return LAST.number(result)

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: how many optimiser steps an update takes, how many rows it reads, and its learning rate."""
        return {
            row.label: {
                "optimiser steps of an update": _rounded(of.fitted.steps for chain in row.updates for of in chain),
                "training rows read in an update": _rounded(of.rows for chain in row.updates for of in chain),
                "learning rate": first_rate(row.entry.settings, row.entry.default_rate),
            }
            for row in self.rows
        }

    @property
    def scored(self) -> list[UpdatesRow]:
        """The rows that have a score, the best first."""
        known = [(mean, row) for row in self.rows if (mean := LAST_SCORE.number(row)) is not None]
        return [row for _, row in sorted(known, key=lambda pair: -pair[0])]

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds each adapter's own numbers."""
        document = {
            **self.head("tasks", "scenario", "versions", "periods", "budget", "majority"),
            "updates": {row.label: self._entry(row, full) for row in self.rows},
        }
        return self.checked(document, facts)

    def _entry(self, row: UpdatesRow, full: bool) -> dict[str, Any]:
        entry: Entry = row.entry
        numbers = range(1, self.record.versions + 1)
        return {
            "way": entry.way,
            "method": entry.method,
            "settings": dict(entry.settings),
            **as_json(ROW, row),
            "tasks": {task: row.on(task, LAST.number).as_json() for task in row.tasks},
            "versions": {task: [row.at_version(task, of).as_json() for of in numbers] for task in row.tasks},
            "against": row.against.get(SCORE) or None,
            "difference": row.difference.as_json() if row.difference else None,
            "differences": {metric: of.as_json() for metric, of in row.differences.items() if metric != SCORE},
            "learned_nothing": [{"task": task, "seed": seed, "why": why} for task, seed, why in row.learned_nothing],
            **({"adapters": [asdict(of) for of in row.adapters]} if full else {}),
        }


def _rounded(counts: Iterable[int | None]) -> int | None:
    """Return the mean, rounded; None where one is not known."""
    given = [*counts]
    known = [count for count in given if count is not None]
    return round(fmean(known)) if known and len(known) == len(given) else None


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells; None for that of another study."""
    rows = document.get("updates")
    if rows is None:
        return None
    compared_with_one = compared_rows(rows, document["reference"], NAMES, SCORE)
    return Facts(tuple(rows), (*compared_with_one, *_further(document)))


def _further(document: Document) -> Iterator[PlannedComparison]:
    """Yield the comparisons in the other metrics, each metric a family."""
    rows = document["updates"]
    for label, row in rows.items():
        against = row["against"] or document["reference"]
        differs = unlike(NAMES, row, rows[against])
        for metric, gap in row["differences"].items():
            yield PlannedComparison(label, against, metric, gap, differs, main=False)


def summarise(record: UpdatesRecord, outcomes: Callable[[str], Path], brief: bool = False) -> UpdatesReport:
    """Return the report on a comparison as far as it has come; ``brief``: without what compares two entries."""
    return UpdatesReport(record, rows_of(record, outcomes, brief))


report = reported(
    UpdatesRecord, lambda record, workspace, brief: summarise(record, workspace.evaluations.require_outcomes, brief)
)


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the score of the last version of each entry; each task is a problem."""
    record, evaluations = UpdatesRecord.read(experiment, document, workspace), workspace.evaluations
    last = [of for of in record.cells if of.version == record.versions]
    sizes = {of.task: evaluations.require(of.fitted.evaluation).examples for of in reversed(last)}

    def examples(chain: Chain, _: str) -> pd.Series | None:
        fitted = chain.versions[-1].fitted
        return scores_by_example(evaluations.require_outcomes(fitted.evaluation), fitted.score)

    rows = rows_of(replace(record, cells=tuple(last)), evaluations.require_outcomes, brief=True)
    data = {task: _data(record, task) for task in record.tasks}
    read, texts = lambda chain: chain.score(record.versions), record.shared_texts
    return scores_of(rows, SCORE, read, record, sizes, examples, data=data, shared_texts=texts)


def _data(record: UpdatesRecord, task: str) -> str | None:
    """Return what identifies a task's test rows; a family may have more periods than there are versions."""
    tested = record.periods[task][: record.versions]
    known = [record.data[period] for period in tested if period in record.data]
    return " ".join(known) if len(known) == len(tested) else None
