"""From the results of a comparison of compositions to its report, or to scores for a comparison of experiments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

from adapter_workbench.experiments.reporting.examples import scores_by_example
from adapter_workbench.experiments.reporting.families import alone
from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.compositions.record import (
    CONTROL,
    MIXED,
    PICK,
    PICKS,
    EntryRecord,
    FusionRecord,
    results_in,
)
from adapter_workbench.experiments.studies.compositions.report import (
    CONTEST,
    CONTESTS,
    MIXED_CONTEST,
    FusionReport,
    FusionRow,
    Kept,
    Speed,
    Tested,
)
from adapter_workbench.experiments.studies.compositions.verdict import headline, of_each
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.core.rows import compared, difference
from adapter_workbench.workbench.measures.granularity import score_step

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.scored import Replication, Scores
    from adapter_workbench.experiments.studies.compositions.record import Result
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.experiments.workspace.outcome_folders import OutcomeFolders

Examples: TypeAlias = "Callable[[Tested, str], pd.Series | None]"


def summarise(record: FusionRecord, results: OutcomeFolders[Result], brief: bool = False) -> FusionReport:
    """Return the report on a comparison as far as it has come; no model is needed.

    ``brief``: without what compares two entries.
    """
    entries = _entries(record, results)
    picks = () if record.single else tuple(_picks(record, entries))
    examples = _examples(results)
    rows = (*entries, *picks) if brief else _compared(record, (*entries, *picks), examples)
    composed, control, mixed = _contestants(rows)
    contest, mixed_contest = (
        _contest(record, _difference(composed, side, examples), name) if composed and side and not brief else None
        for name, side in ((CONTEST, control), (MIXED_CONTEST, mixed))
    )
    by_label = {row.label: row for row in rows}
    in_order = [by_label[label] for label in dict.fromkeys(cell.label for cell in record.cells)]  # as pieces were done
    report = FusionReport(
        record=record,
        rows=rows,
        retained=tuple(kept for row in in_order for kept in _retained(row)),
        speeds=tuple(_speeds(in_order, by_label.get(record.reference))),
        details={row.label: _details(row) for row in in_order},
        contest=contest,
        mixed_contest=mixed_contest,
        made_of={row.label: made[0] for row in in_order if len(made := _made_of(row)) == 1},
    )
    return replace(report, headline=tuple(headline(report)), of_each=tuple(of_each(report)))


# --- rows


def _entries(record: FusionRecord, results: OutcomeFolders[Result]) -> tuple[FusionRow, ...]:
    """Return a row for each entry that has results, in the order of the recipe."""
    known = {key: results.require(key) for key in sorted({cell.key for cell in record.cells})}
    tested: dict[str, list[Tested]] = {}
    for cell in record.cells:
        tested.setdefault(cell.label, []).append(Tested(cell, known[cell.key]))
    present = [entry for entry in record.entries if entry.label in tested]
    return tuple(_row(record, entry, tested[entry.label], record.controls.get(entry.label, "")) for entry in present)


def _row(record: FusionRecord, entry: EntryRecord, tested: Iterable[Tested], control: str) -> FusionRow:
    results = {of.at: of for of in tested}
    against = dict.fromkeys(reversed(record.shot_groups), control) if control else {}  # what decides comes first
    replications = tuple((seed, 0) for seed in record.seeds)
    return FusionRow(entry.label, entry, replications, (*dict.fromkeys(at.task for at in results),), results, against)


def _picks(record: FusionRecord, rows: Sequence[FusionRow]) -> Iterator[FusionRow]:
    """Yield a row for what validation picks among the entries of some roles, only where there is a choice.

    In each place it is the result with the best validation (score, then likelihood). Without examples nothing
    validates. Entries that were decided early have fewer seeds than others, and a choice among the rest would be
    another one: only places that all have count.
    """
    for label, roles in PICKS.items():
        among = [row for row in rows if row.role in roles]
        if len(among) < 2:
            continue
        shared = set.intersection(*({*row.results} for row in among))
        judged = [of for at, of in among[0].results.items() if at in shared and of.cell.shots != 0]
        judged.sort(key=lambda of: (of.cell.target, of.cell.shots, of.cell.seed))
        picked = [max((row.results[of.at] for row in among), key=_validation) for of in judged]
        if picked:
            row = _row(record, EntryRecord(label, "pick", "", "validation", {}), picked, record.reference)
            yield replace(row, chosen=dict(Counter(of.cell.label for of in picked).most_common()))


def _validation(of: Tested) -> tuple[float, float]:
    return of.fit.validated, of.log_likelihood


# --- what compares two rows


def _compared(record: FusionRecord, rows: Iterable[FusionRow], examples: Examples) -> tuple[FusionRow, ...]:
    """Return the rows with their differences: with each K, and over all, they are one family."""

    def differ(group: str, ours: FusionRow, theirs: FusionRow) -> Difference | None:
        return _difference(ours.with_shots(group), theirs, examples)

    def from_itself(row: FusionRow) -> dict[str, Difference]:
        own = {group: differ(group, row, row) for group in record.shot_groups}
        return {group: of for group, of in own.items() if of is not None}

    rows = tuple(row if row.against else replace(row, differences=from_itself(row)) for row in rows)
    for group in record.shot_groups:
        rows = compared(rows, group, record, partial(differ, group))
    return rows


def _difference(ours: FusionRow, theirs: FusionRow, examples: Examples) -> Difference | None:
    """Return ours − theirs over the places that both have; None where there are none.

    A seed counts where it has all targets and K that others have: the last ones of a run may not be there yet.
    """
    common = [at for at in ours.results if at in theirs.results]
    if not common:
        return None
    problems: dict[str, list[str]] = {}
    for at in common:
        problems.setdefault(ours.results[at].cell.target, []).append(at.task)
    return difference(
        ours.among(common),
        theirs.among(common),
        lambda of: of.score,
        examples=examples,
        sizes=lambda of: [of.result.examples],
        problems=problems,
        seconds=lambda of: [of.fit.seconds],
    )


def _examples(results: OutcomeFolders[Result]) -> Examples:
    """Return what gives the score of each test example behind a result whose score is the mean of them."""
    known: dict[str, pd.Series | None] = {}

    def examples(of: Tested, _: str) -> pd.Series | None:
        key = of.cell.key
        if key not in known:
            known[key] = scores_by_example(results.outcomes(key), of.score)
        return known[key]

    return examples


def _contestants(rows: Iterable[FusionRow]) -> tuple[FusionRow | None, FusionRow | None, FusionRow | None]:
    """Return what validation picks among compositions, controls and adapters on mixed data.

    Of mixed data it is the only entry where there is no choice.
    """
    by_label = {row.label: row for row in rows}
    mixed = [row for row in by_label.values() if row.role in PICKS[MIXED]]
    return by_label.get(PICK), by_label.get(CONTROL), mixed[0] if len(mixed) == 1 else by_label.get(MIXED)


def _contest(record: FusionRecord, of: Difference | None, name: str) -> Difference | None:
    """Return what two picks come to: as it was read at a look, else at the level of the record."""
    if of is None:
        return None
    declared = record.declared_test
    return record.settled.get(CONTESTS, {}).get(name) or alone(of, declared.margin, declared.level)


# --- what else the results of an entry tell


def _retained(row: FusionRow) -> Iterator[Kept]:
    retained = [kept for of in row.cells for kept in of.result.retained]
    for task in dict.fromkeys(kept.task for kept in retained):
        own = [kept for kept in retained if kept.task == task]
        yield Kept(row.label, task, fmean(kept.alone for kept in own), fmean(kept.fused for kept in own), len(own))


def _speeds(rows: Iterable[FusionRow], reference: FusionRow | None) -> Iterator[Speed]:
    """Yield for each entry that trains how soon it is as good on validation as the reference ends."""
    for row in rows:
        if reference is None or row.label == reference.label:
            continue
        pairs = [(of, reference.results[at]) for at, of in row.results.items() if at in reference.results]
        shares = [_share(ours.result, theirs.result) for ours, theirs in pairs if ours.fit.steps and theirs.fit.steps]
        if shares:
            yield Speed(row.label, tuple(shares))


def _share(ours: Result, reference: Result) -> float | None:
    """Return the steps until our validation score reaches the reference's, ÷ its steps; None if it never does."""
    start = ours.facts.get("validation_before")
    if start is not None and start >= reference.fit.validated:
        return 0.0
    steps = ours.fit.steps / len(ours.fit.epochs)
    for epoch in ours.fit.epochs:
        if epoch.validation >= reference.fit.validated:
            return steps * epoch.epoch / reference.fit.steps
    return None


def _made_of(row: FusionRow) -> list[tuple[str, ...]]:
    """Return the lists of sources that results were made of, each once."""
    return [*dict.fromkeys(own for of in row.cells if (own := of.result.sources))]


def _details(row: FusionRow) -> Mapping[str, tuple[float, ...]]:
    """Return the mean over results of what needs a picture: the weights, and details by layer.

    Nothing where it is made of other sources for some targets: a mean would be over numbers of different sources.
    """
    if len(_made_of(row)) > 1:
        return {}
    results = [of.result for of in row.cells]
    details = [{**({"weights": of.weights} if of.weights else {}), **of.details} for of in results]
    names = dict.fromkeys(name for detail in details for name in detail)
    known = {name: [detail[name] for detail in details if name in detail] for name in names}
    return {name: _columns(own) for name, own in known.items() if len({*map(len, own)}) == 1}


def _columns(rows: list[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(fmean(column) for column in zip(*rows, strict=True))


report = reported(FusionRecord, lambda record, workspace, brief: summarise(record, results_in(workspace), brief))


# --- beside another experiment


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the test score of each entry; each target with each number of examples is a problem."""
    record, results = FusionRecord.read(experiment, document, workspace), results_in(workspace)
    rows, examples = {row.label: row for row in _entries(record, results)}, _examples(results)

    labels = [entry.label for entry in record.entries]

    def problems(row: FusionRow | None) -> dict[str, ProblemScores]:
        return {task: _problem(record, row, task, examples) for task in row.tasks} if row else {}

    return {label: {"score": MetricScores("higher", problems(rows.get(label)))} for label in labels}


def _problem(record: FusionRecord, row: FusionRow, task: str, examples: Examples) -> ProblemScores:
    tested: dict[Replication, Tested] = {(at.seed, ()): of for at, of in row.results.items() if at.task == task}
    first = next(iter(tested.values()))
    target, size = first.cell.target, first.result.examples
    return ProblemScores(
        {replication: of.score for replication, of in tested.items()},
        {target: split_key(record.data.get(target), size)},
        lambda replication, name: examples(tested[replication], name),
        score_step([size]),
    )
