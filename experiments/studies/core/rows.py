"""Results as one long table: entry × replication × task → the document that a piece left; a row is one entry of it.

A study says which entries and replications are planned, and reads its numbers with quantities. What a row comes to over
tasks and seeds, and how it differs from the row that it is compared with, is computed here for all studies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from adapter_workbench.experiments.reporting.examples import ExamplePair, over_examples, test_sizes
from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, ComparisonInWords, Named
from adapter_workbench.experiments.reporting.power import timed
from adapter_workbench.experiments.reporting.presentation import Tracking
from adapter_workbench.experiments.reporting.replications import mean_sides, over_replications, paired
from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.core.planned import planned_family
from adapter_workbench.experiments.studies.core.quantity import means
from adapter_workbench.experiments.studies.core.report import StudyReport
from adapter_workbench.experiments.studies.core.track import child, parent
from adapter_workbench.workbench.measures.granularity import score_step
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.reporting.collapses import SeedScores
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.plain_verdicts import MetricWords
    from adapter_workbench.experiments.reporting.presentation import Table
    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.studies.core.planned import Families
    from adapter_workbench.experiments.studies.core.quantity import Quantity
    from adapter_workbench.experiments.studies.core.record import Record
    from adapter_workbench.workbench.measures.statistics import Interval
    from adapter_workbench.workbench.mlflow.run_record import RunRecord
    from adapter_workbench.workbench.mlflow.view import View

R = TypeVar("R")
RowT = TypeVar("RowT", bound="Row[Any]")
Replication = tuple[int, int]  # the seed, and which order of the tasks
Examples = Callable[[R, str], "pd.Series | None"]  # the score of each test example of a problem, behind a result


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
        """That of the main family, the first in which it is compared."""
        return self.differences.get(next(iter(self.against), ""))

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

    def by_seed(self, read: Callable[[R], float | None]) -> tuple[Sequence[float | None], Sequence[int]]:
        """Return the mean over tasks of each replication, and their seeds."""
        return self.over(read).values, [seed for seed, _ in self.replications]

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
    read: Callable[[R], float | None],
    examples: Examples[R] | None = None,
    sizes: Callable[[R], Sequence[int]] | None = None,
    problems: Mapping[str, Collection[str]] | None = None,
    shared: Sequence[Mapping[str, int]] = (),
    apart: bool = False,
    seconds: Callable[[R], Sequence[float | None]] | None = None,
    shares: bool = True,
) -> Difference:
    """Return ours − theirs in the replications that both have whole.

    Args:
        ours: one row.
        theirs: another of the same tasks and replications.
        read: the number that is compared; a result without it counts as one that is not there.
        examples: tells what the test examples of a problem say of it, where it is a mean over them.
        sizes: how many test examples each score behind a result is of; by default as many as ``examples`` tells of.
        problems: that test examples are of → the tasks of the results that tell of them; by default each task is one.
        shared: for each problem, the texts that several of its examples have.
        apart: whether tasks are fitted apart, so that each has its own variance.
        seconds: what the parts of a result took.
        shares: whether the number is a share of the test examples, which has little spread near 0 and 1.
    """
    problems = {task: (task,) for task in ours.tasks} if problems is None else problems
    sides = [
        {at: value for at, result in row.results.items() if (value := read(result)) is not None}
        for row in (ours, theirs)
    ]
    by_replication = ([At(*at, task) for task in ours.tasks] for at in ours.replications)
    common = [at for own in by_replication if all(at in side for at in own for side in sides) for at in own]
    gaps = {at: sides[0][at] - sides[1][at] for at in common}
    known, counts = None, list[int]()
    if examples:
        pairs = [
            [
                ExamplePair(at.seed, *(examples(row.results[at], problem) for row in (ours, theirs)))
                for at in ours.results
                if at in gaps and at.task in tasks
            ]
            for problem, tasks in problems.items()
        ]
        known, counts = over_examples(pairs, shared), test_sizes(pairs)
    if sizes:
        by_task = [[sizes(ours.results[at]) for at in common if at.task == task] for task in ours.tasks]
        counts = [min(column) for own in by_task for column in zip(*own, strict=True)]
    on_tasks = [[gaps.get(At(*at, task)) for at in ours.replications] for task in ours.tasks] if apart else []
    steps = [score_step([size]) for size in counts] if apart else []
    seeds = [seed for seed, _ in ours.replications]
    means = mean_sides(*(_means({at: side[at] for at in common}, ours) for side in sides)) if shares else None
    paired_difference = paired(_means(gaps, ours), seeds, score_step(counts), known, on_tasks, steps, means)
    if seconds is None:
        return paired_difference
    took = ([(at.seed, part) for at, of in row.results.items() for part in seconds(of)] for row in (ours, theirs))
    return timed(paired_difference, *took)


def compared(
    rows: Iterable[RowT], family: str, record: Record, differ: Callable[[RowT, RowT], Difference | None]
) -> tuple[RowT, ...]:
    """Return the rows, those that say with whom they are compared in a ``family`` with their differences there.

    ``differ`` returns None of two rows that have no result in common.
    """
    rows = tuple(rows)
    by_label = {row.label: row for row in rows}
    against = {row.label: row.against[family] for row in rows if row.against.get(family) in by_label}
    both = ((label, differ(by_label[label], by_label[other])) for label, other in against.items())
    differences = {label: of for label, of in both if of is not None}
    tested = planned_family(differences, record.declared_test, record.settled.get(family, {}), against)
    return tuple(
        replace(row, differences={**row.differences, family: tested[row.label]}) if row.label in tested else row
        for row in rows
    )


def of_row(quantity: Quantity[R]) -> Quantity[Row[R]]:
    """Return a quantity's mean over the tasks of a row, with its interval over replications."""
    return quantity.reported(lambda row: row.over(quantity.number))


def mean_of_cells(quantity: Quantity[R]) -> Quantity[Row[R]]:
    """Return the mean over the results of a row that are there."""
    return quantity.over(lambda row: ((of,) for of in row.cells))


class RowsReport(StudyReport):
    """A report on rows.

    Attributes:
        words: family → how sentences speak of it, the main one first; other families stand in tables alone.
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
        further = (family for row in self.rows for family in row.differences)
        return {
            family: {row.label: row.differences[family] for row in self.rows if family in row.differences}
            for family in dict.fromkeys((*self.words, *further))
        }

    @property
    def declared(self) -> dict[str, Difference]:
        """The differences of the main family."""
        return {**self.families[self.main]}

    @property
    def controls(self) -> dict[str, str]:
        """Label → what it is compared with in the main family."""
        return {row.label: row.against[self.main] for row in self.rows if self.main in row.against}

    def score_of(self, result: Any) -> float | None:
        """Return the main score of a result; None where a study has none."""
        return None

    @property
    def seed_scores(self) -> SeedScores:
        """Label → the mean over tasks of each replication, and its seed."""
        return {row.label: row.by_seed(self.score_of) for row in self.rows}

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
    of_replication: Callable[[Any, Replication], Iterable[Point]],
    own: Callable[[Any], Mapping[str, str]],
    params: Callable[[Any, Sequence[Any]], Mapping[str, Any]],
    seconds: Callable[[Any], Sequence[float | None]],
    view: View,
    summary: Table,
    below: str,
    tags: Mapping[str, str],
    first: str,
    facts: Mapping[str, Any] | None = None,
    whole: Callable[[Any], bool] = bool,
    periods: Mapping[str, Sequence[str]] | None = None,
    further: Callable[[Any], Iterable[Point]] = lambda row: (),
) -> Tracking:
    """Return what MLflow holds: a parent with each row's means, and a child for each row and replication.

    Args:
        report: on the rows.
        of_row: the quantities of a row.
        of_replication: returns the numbers of a row in a replication.
        own: returns the tags of a row.
        params: returns the parameters of a row's results in a replication.
        seconds: what the parts of a result took.
        view: columns and charts.
        summary: the table that a description has room for.
        below: what stands below it.
        tags: of the parent.
        first: the quantity that MLflow's first section of charts shows.
        facts: parameters of the parent, besides its budget and tasks.
        whole: whether nothing is to be added to a result.
        periods: task → the tasks that its rows come from, where these are others.
        further: returns more numbers of a row for the parent.
    """
    record: Any = report.record
    quantities = [*of_row]

    def run_of(row: Row[Any], at: Replication, results: Sequence[Any]) -> RunRecord:
        tasks = [own.task for own in row.results if own[:2] == at and own.task] or record.tasks
        data = [name for task in tasks for name in (periods or {}).get(task, (task,))]
        took = [part for result in results for part in seconds(result)]
        known = [*_known(took)]
        spent = sum(known) if len(known) == len(took) else None
        made = params(row, results)
        return child(
            record, row.label, own(row), made, of_replication(row, at), data, at[0], seconds=spent, order=at[1]
        )

    def means_of(row: Row[Any]) -> Iterator[Point]:
        seeds = record.planned_seeds(row.label)
        if sum(map(whole, row.cells)) >= len(row.tasks) * sum(seed in seeds for seed, _ in row.replications):
            yield from means(quantities, row, row.label, len(seeds))
            compared = row.difference.seeds.mean if row.difference and report.complete else None
            yield metric_name(row.label, "difference"), compared, len(seeds)
        yield from further(row)

    children = (run_of(row, at, results) for row in report.rows for at in row.replications if (results := row.of(at)))
    about = {**record.budget, "tasks": ", ".join(record.tasks), **(facts or {})}
    run = parent(report, tags, about, (point for row in report.rows for point in means_of(row)), children, view, first)
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
    data: Mapping[str, str | None] | None = None,
    shared_texts: Mapping[str, Mapping[str, int]] | None = None,
) -> Scores:
    """Return the scores of rows in one metric, to hold them against another experiment's.

    Args:
        rows: of the experiment.
        metric: its name.
        read: returns it of a result.
        record: of the experiment.
        sizes: task → how many test examples it has.
        examples: tells what the test examples of a task say of a result.
        orders: number of an order → its tasks, where there are several orders.
        scenario: of a stream.
        data: task → what identifies its data, None where that is not known; by default as the record has it.
        shared_texts: task → id of a test example → number of its text, where other examples have the same text.
    """
    known = record.data if data is None else data

    def problem(row: Row[R], task: str) -> ProblemScores:
        own = ((at, result) for at, result in row.results.items() if at.task == task)
        at = {(at.seed, tuple(orders[at.order]) if orders else ()): result for at, result in own}
        values = {where: value for where, result in at.items() if (value := read(result)) is not None}
        tested = {name: size for name, size in sizes.items() if task in ("", name)}
        tests = {name: split_key(known.get(name), size) for name, size in tested.items()}
        if examples is None:
            return ProblemScores(values, tests)
        texts = {task: shared_texts.get(task, {})} if shared_texts is not None else {}
        step = score_step(tested.values())
        return ProblemScores(values, tests, lambda where, name: examples(at[where], name), step, texts)

    def problems(row: Row[R]) -> Iterator[tuple[str, ProblemScores]]:
        return ((task, problem(row, task)) for task in row.tasks if any(at.task == task for at in row.results))

    return {row.label: {metric: MetricScores("higher", dict(problems(row)), scenario)} for row in rows}
