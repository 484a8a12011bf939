"""Results as one long table: entry × replication × task → the document that a piece left; a row is one entry of it.

A study says which entries and replications are planned, and reads its numbers with quantities. What a row comes to over
tasks and seeds, and how it differs from the row that it is compared with, is computed here for all studies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from adapter_workbench.experiments.reporting.examples import ExamplePair, over_examples, test_sizes
from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, ComparisonInWords, Named
from adapter_workbench.experiments.reporting.power import timed
from adapter_workbench.experiments.reporting.presentation import Tracking
from adapter_workbench.experiments.reporting.replications import over_replications, paired
from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.core.planned import planned_family
from adapter_workbench.experiments.studies.core.quantity import points
from adapter_workbench.experiments.studies.core.report import StudyReport
from adapter_workbench.experiments.studies.core.track import child, parent, settled
from adapter_workbench.workbench.measures.granularity import score_step

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.plain_verdicts import MetricWords
    from adapter_workbench.experiments.reporting.presentation import Table
    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.studies.core.planned import Families
    from adapter_workbench.experiments.studies.core.quantity import Quantity
    from adapter_workbench.experiments.studies.core.record import Record
    from adapter_workbench.workbench.measures.statistics import Interval
    from adapter_workbench.workbench.mlflow.view import View

R = TypeVar("R")
Replication = tuple[int, int]  # the seed, and which order of the tasks
Examples = Callable[[R], "pd.Series | None"]  # the score of each test example behind a result


class At(NamedTuple):
    """The place of a result in the row of an entry; a study leaves out what it does not have."""

    seed: int
    order: int = 0
    task: str = ""


@dataclass(frozen=True)
class Row(Generic[R]):
    """One entry.

    Attributes:
        label: what it is compared under.
        entry: what the record says of it.
        replications: that are planned.
        tasks: of which a replication has a result each; one without a name where its result is of all together.
        results: as far as they are there.
        against: family → the label of what it is compared with there.
        differences: family → the difference from that.
    """

    label: str
    entry: Any
    replications: tuple[Replication, ...]
    tasks: tuple[str, ...]
    results: Mapping[At, R]
    against: Mapping[str, str] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)

    @property
    def cells(self) -> tuple[R, ...]:
        """The results that are there."""
        return (*self.results.values(),)

    @property
    def difference(self) -> Difference | None:
        """That of the main family."""
        return self.differences.get("")

    def over(self, read: Callable[[R], float | None]) -> Interval:
        """Return the mean over tasks, with its interval over replications; one that lacks a task is missing."""
        values = {at: read(result) for at, result in self.results.items()}
        return self._interval(_means(values, self))

    def on(self, task: str, read: Callable[[R], float | None]) -> Interval:
        """Return the same of one task."""
        known = (self.results.get(At(*at, task)) for at in self.replications)
        return self._interval([None if result is None else read(result) for result in known])

    def of(self, replication: Replication) -> list[R]:
        """Return the results of a replication."""
        return [result for at, result in self.results.items() if at[:2] == replication]

    def _interval(self, values: Sequence[float | None]) -> Interval:
        return over_replications(values, [seed for seed, _ in self.replications])


def _means(values: Mapping[At, float | None], row: Row[Any]) -> list[float | None]:
    by_replication = ([values.get(At(*at, task)) for task in row.tasks] for at in row.replications)
    return [fmean(known) if len(known := [*_known(own)]) == len(own) else None for own in by_replication]


def _known(values: Iterable[float | None]) -> Iterator[float]:
    return (value for value in values if value is not None)


def difference(
    ours: Row[R],
    theirs: Row[R],
    read: Callable[[R], float],
    examples: Examples[R] | None = None,
    sizes: Iterable[int] = (),
    shared: Sequence[Mapping[str, int]] = (),
    apart: bool = False,
    seconds: Callable[[R], float] | None = None,
) -> Difference:
    """Return ours − theirs in the replications that both have whole.

    Args:
        ours: one row.
        theirs: another of the same tasks and replications.
        read: the number that is compared.
        examples: tells what the test examples say of it, where it is a mean over them.
        sizes: of the tasks' test splits, where no examples tell.
        shared: for each task, the texts that several of its examples have.
        apart: whether tasks are fitted apart, so that each has its own variance.
        seconds: what a result took.
    """
    places = [[At(*at, task) for task in ours.tasks] for at in ours.replications]
    whole = (own for own in places if all(at in side.results for at in own for side in (ours, theirs)))
    common = [at for own in whole for at in own]
    gaps = {at: read(ours.results[at]) - read(theirs.results[at]) for at in common}
    known, steps, by_task = None, [score_step([size]) for size in sizes], []
    if examples:
        both = {at: ExamplePair(at.seed, *(examples(side.results[at]) for side in (ours, theirs))) for at in gaps}
        pairs = [[pair for at, pair in both.items() if at.task == task] for task in ours.tasks]
        sizes, known = test_sizes(pairs), over_examples(pairs, shared)
        steps = [score_step([size]) for size in sizes]
    if apart:
        by_task = [[gaps.get(At(*at, task)) for at in ours.replications] for task in ours.tasks]
    seeds = [seed for seed, _ in ours.replications]
    found = paired(_means(gaps, ours), seeds, score_step(sizes), known, by_task, steps if apart else [])
    if seconds is None:
        return found
    took = ([(at.seed, seconds(result)) for at, result in side.results.items()] for side in (ours, theirs))
    return timed(found, *took)


def compared(
    rows: Iterable[Row[R]], family: str, record: Record, differ: Callable[[Row[R], Row[R]], Difference]
) -> list[Row[R]]:
    """Return the rows, those that say with whom they are compared in a ``family`` with their differences there."""
    rows = [*rows]
    by_label = {row.label: row for row in rows}
    against = {row.label: row.against[family] for row in rows if row.against.get(family) in by_label}
    differences = {label: differ(by_label[label], by_label[other]) for label, other in against.items()}
    tested = planned_family(differences, record.declared_test, record.settled.get(family, {}), against)
    return [
        replace(row, differences={**row.differences, family: tested[row.label]}) if row.label in tested else row
        for row in rows
    ]


class RowsReport(StudyReport):
    """A report on rows.

    Attributes:
        words: family → how sentences speak of it, the main one first.
    """

    rows: Sequence[Row[Any]]
    words: ClassVar[Mapping[str, MetricWords]] = {"": SCORED}

    @property
    def main(self) -> str:
        """The first family."""
        return next(iter(self.words))

    @property
    def families(self) -> Families:
        """Family → label → the difference."""
        return {
            family: {row.label: row.differences[family] for row in self.rows if family in row.differences}
            for family in self.words
        }

    @property
    def declared(self) -> dict[str, Difference]:
        """The differences of the main family."""
        return {**self.families[self.main]}

    @property
    def controls(self) -> dict[str, str]:
        """Label → what it is compared with in the main family."""
        return {row.label: row.against[self.main] for row in self.rows if self.main in row.against}

    def named(self, label: str) -> Named:
        """Return what sentences call a row."""
        return Named(label)

    @property
    def planned(self) -> tuple[ComparisonInWords, ...]:
        """Each row beside what it is compared with, family by family."""
        return tuple(
            ComparisonInWords(self.named(row.label), self.named(row.against[family]), words, row.differences[family])
            for family, words in self.words.items()
            for row in self.rows
            if family in row.differences
        )


def tracked(
    report: RowsReport,
    of_row: Iterable[Quantity[Any]],
    of_result: Callable[[Any], Sequence[Quantity[Any]]],
    own: Callable[[Row[Any]], Mapping[str, str]],
    params: Callable[[Row[Any], Sequence[Any]], Mapping[str, Any]],
    seconds: Callable[[Any], float | None],
    view: View,
    summary: Table,
    below: str,
    tags: Mapping[str, str],
    first: str,
    further: Callable[[Row[Any]], Iterable[Point]] = lambda row: (),
) -> Tracking:
    """Return what MLflow holds: a parent with each row's means, and a child for each row and replication."""
    record: Any = report.record
    quantities = [*of_row]

    def needed(row: Row[Any]) -> int:
        seeds = record.planned_seeds(row.label)
        return len(row.tasks) * sum(seed in seeds for seed, _ in row.replications)

    children = (
        child(
            record,
            row.label,
            own(row),
            params(row, cells),
            [
                point
                for at, result in row.results.items()
                if at[:2] == replication
                for point in points(of_result(result), result, 0, *filter(None, [at.task]))
            ],
            [at.task for at in row.results if at[:2] == replication and at.task] or record.tasks,
            replication[0],
            seconds=sum(took) if len(took := [*_known(map(seconds, cells))]) == len(cells) else None,
            order=replication[1],
        )
        for row in report.rows
        for replication in row.replications
        if (cells := row.of(replication))
    )
    means = (point for row in report.rows for point in (*settled(quantities, row, report, needed(row)), *further(row)))
    params_of_all = {**record.budget, "tasks": ", ".join(record.tasks)}
    run = parent(report, tags, params_of_all, means, children, view, first)
    return Tracking(run, summary, (below,))


def scores_of(
    rows: Iterable[Row[R]],
    metric: str,
    read: Callable[[R], float | None],
    record: Record,
    sizes: Mapping[str, int],
    examples: Examples[R] | None = None,
    orders: Mapping[int, Sequence[str]] | None = None,
    scenario: str = "",
) -> Scores:
    """Return the scores of rows in one metric, to hold them against another experiment's."""

    def problem(row: Row[R], task: str) -> ProblemScores:
        own = ((at, result) for at, result in row.results.items() if at.task == task)
        at = {(at.seed, tuple(orders[at.order]) if orders else ()): result for at, result in own}
        values = {where: value for where, result in at.items() if (value := read(result)) is not None}
        tests = {name: split_key(record.data.get(name), size) for name, size in sizes.items() if task in ("", name)}
        if examples is None:
            return ProblemScores(values, tests)
        texts = {task: getattr(record, "shared_texts", {}).get(task, {})}
        return ProblemScores(values, tests, lambda where, _: examples(at[where]), score_step([sizes[task]]), texts)

    def problems(row: Row[R]) -> Iterator[tuple[str, ProblemScores]]:
        return ((task, problem(row, task)) for task in row.tasks if any(at.task == task for at in row.results))

    return {row.label: {metric: MetricScores("higher", dict(problems(row)), scenario)} for row in rows}
