"""From the results of a comparison of compositions to its report, or to scores for a comparison of experiments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.reporting.examples import scores_by_example
from adapter_workbench.experiments.reporting.families import alone
from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.compositions.record import (
    CONTROL,
    MIXED,
    PICK,
    PICKS,
    FusionRecord,
    results_in,
)
from adapter_workbench.experiments.studies.compositions.report import (
    CONTEST,
    CONTESTS,
    MIXED_CONTEST,
    EntryScores,
    FusionReport,
    Kept,
    Row,
    Speed,
    TrialScores,
)
from adapter_workbench.experiments.studies.compositions.verdict import headline, of_each
from adapter_workbench.experiments.studies.core.planned import planned_family
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.core.rows import At, difference
from adapter_workbench.experiments.studies.core.rows import Row as ResultRow
from adapter_workbench.experiments.studies.core.unit import Unit
from adapter_workbench.workbench.measures.granularity import score_step
from adapter_workbench.workbench.measures.statistics import finite, mean_of_known

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.scored import Replication, Scores
    from adapter_workbench.experiments.studies.compositions.record import Result
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.experiments.workspace.outcome_folders import OutcomeFolders

Taken = Mapping[Unit, str]  # the key of the result of each unit


def summarise(record: FusionRecord, results: OutcomeFolders[Result], brief: bool = False) -> FusionReport:
    """Return the report on a comparison as far as it has come; no model is needed.

    ``brief``: without what compares two entries.
    """
    return _Summary(record, results, brief).report()


@dataclass(frozen=True)
class _Summary:
    record: FusionRecord
    results: OutcomeFolders[Result]
    brief: bool

    def report(self) -> FusionReport:
        rows = [
            Row(
                entry.label,
                entry.role,
                entry.family,
                entry.method,
                self._scores_by_shots(self.taken[entry.label], self.record.controls.get(entry.label, entry.label)),
                against=self.record.controls.get(entry.label, ""),
                trials=tuple(self._trials(self.taken[entry.label])),
            )
            for entry in self.record.entries
            if entry.label in self.taken
        ]
        for label, (picked, chosen) in self.picks.items():
            scores = self._scores_by_shots(picked, self.record.reference)
            trials = tuple(self._trials(picked))
            rows.append(Row(label, "pick", "", "validation", scores, chosen, self.record.reference, trials))
        composed, control = (self.sides.get(label, {}) for label in (PICK, CONTROL))
        contest = self._difference(composed, control, composed)
        on_mixed = self._difference(composed, self._only_or_picked(MIXED), composed)
        report = FusionReport(
            record=self.record,
            rows=tuple(self._as_families(rows)),
            retained=tuple(self._retained()),
            speeds=tuple(self._speeds()),
            details={label: self._details(taken) for label, taken in self.taken.items()},
            contest=self._contest(contest, CONTEST),
            mixed_contest=self._contest(on_mixed, MIXED_CONTEST),
            made_of={label: made[0] for label, taken in self.taken.items() if len(made := self._made_of(taken)) == 1},
        )
        return replace(report, headline=tuple(headline(report)), of_each=tuple(of_each(report)))

    def _contest(self, difference: Difference | None, name: str) -> Difference | None:
        """Return what two picks come to: as it was read at a look, else at the level of the record."""
        if difference is None:
            return None
        declared = self.record.declared_test
        settled = self.record.settled.get(CONTESTS, {})
        return settled.get(name) or alone(difference, declared.margin, declared.level)

    def _as_families(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield the rows with their gains adjusted: with each K, and over all, they are one family."""
        compared = [row for row in rows if row.against]
        against = {row.label: row.against for row in compared}
        families = {
            shots: planned_family(
                {row.label: gain for row in compared if (gain := row.scores[shots].gain)},
                self.record.declared_test,
                self.record.settled.get(shots, {}),
                against,
            )
            for shots in (rows[0].scores if rows else ())
        }
        for row in rows:
            gains = {
                shots: replace(scores, gain=families[shots].get(row.label, scores.gain))
                for shots, scores in row.scores.items()
            }
            yield replace(row, scores=gains)

    @cached_property
    def taken(self) -> dict[str, Taken]:
        by_label: dict[str, dict[Unit, str]] = {}
        for cell in self.record.cells:
            by_label.setdefault(cell.label, {})[Unit(cell.target, cell.shots, cell.seed)] = cell.key
        return by_label  # type: ignore[return-value]

    @cached_property
    def picks(self) -> dict[str, tuple[Taken, dict[str, int]]]:
        """What validation picks: label → its results, and how often whose; only where there is a choice."""
        picks = {} if self.record.single else {label: self._picked(roles) for label, roles in PICKS.items()}
        return {label: (picked, chosen) for label, (picked, chosen) in picks.items() if chosen}

    @cached_property
    def sides(self) -> dict[str, Taken]:
        """What a row may be compared with: the entries, and what validation picks among them."""
        return {**self.taken, **{label: picked for label, (picked, _) in self.picks.items()}}

    @cached_property
    def known(self) -> dict[str, Result]:
        keys = {key for taken in self.taken.values() for key in taken.values()}
        return {key: self.results.require(key) for key in sorted(keys)}

    @cached_property
    def examples(self) -> dict[str, pd.Series | None]:
        """The score of each test example, for the results whose score is the mean of them."""
        return {key: scores_by_example(self.results.outcomes(key), result.score) for key, result in self.known.items()}

    def _scores_by_shots(self, taken: Taken, against: str) -> dict[str, EntryScores]:
        """Return the scores with each K and over all, and the gain over ``against``."""
        every = {str(shots): self._entry_scores(taken, against, [shots]) for shots in self.record.shots}
        overall = self.record.overall
        return {**every, "all": self._entry_scores(taken, against, overall)} if len(overall) > 1 else every

    def _entry_scores(self, taken: Taken, against: str, shots: Iterable[int]) -> EntryScores:
        units = [unit for unit in taken if unit.shots in set(shots)]
        results = [self.known[taken[unit]] for unit in units]
        targets = {
            name: mean_of_known(self.known[taken[unit]].score for unit in units if unit.task == name)
            for name in self.record.targets
        }
        return EntryScores(
            score=mean_of_known(result.score for result in results),
            targets=targets,
            validation=mean_of_known(result.fit.validation for result in results),
            gain=self._difference(taken, self.sides.get(against, {}), units),
            fits=tuple(result.fit for result in results),
        )

    def _difference(self, taken: Taken, reference: Taken, units: Iterable[Unit]) -> Difference | None:
        """Return ours − the reference's over the units that both have; None where there are none, or in brief.

        A seed counts where it has all targets and K that others have: the last ones of a run may not be there yet.
        """
        if self.brief:
            return None
        common = [unit for unit in units if unit in reference]
        if not common:
            return None
        problems: dict[str, list[str]] = {}
        for unit in common:
            problems.setdefault(unit.task, []).append(_with_shots(unit))
        return difference(
            self._row(taken, common),
            self._row(reference, common),
            lambda key: self.known[key].score,
            examples=lambda key, _: self.examples[key],
            sizes=lambda key: [self.known[key].examples],
            problems=problems,
            seconds=lambda key: [self.known[key].fit.seconds],
        )

    def _row(self, taken: Taken, units: Iterable[Unit]) -> ResultRow[str]:
        """Return the results of ``units`` as a row, whose tasks are the targets with each K."""
        results = {At(unit.seed, task=_with_shots(unit)): taken[unit] for unit in units}
        seeds = {at.seed for at in results}
        replications = tuple((seed, 0) for seed in self.record.seeds if seed in seeds)
        return ResultRow("", None, replications, tuple(dict.fromkeys(at.task for at in results)), results)

    def _picked(self, roles: tuple[str, ...]) -> tuple[Taken, dict[str, int]]:
        """Return in each unit the result with the best validation (score, then likelihood), and how often whose.

        Nothing where there is no choice, and without examples nothing validates. Entries that were decided early have
        fewer seeds than others, and a choice among the rest would be another one: only units that all have count.
        """
        labels = [entry.label for entry in self.record.entries if entry.role in roles and entry.label in self.taken]
        if len(labels) < 2:
            return {}, {}
        shared = set.intersection(*({*self.taken[label]} for label in labels))
        units = sorted(unit for unit in shared if unit.shots != 0)
        chosen = {
            unit: max(labels, key=lambda label: self._validation(self.taken[label][unit]))  # max calls it at once
            for unit in units
        }
        counts = Counter(chosen.values())
        return {unit: self.taken[label][unit] for unit, label in chosen.items()}, dict(counts.most_common())

    def _only_or_picked(self, label: str) -> Taken:
        """Return the results of what validation picks; of the only entry where there is no choice, else none."""
        own = [entry.label for entry in self.record.entries if entry.role in PICKS[label] and entry.label in self.taken]
        return self.taken[own[0]] if len(own) == 1 else self.sides.get(label, {})

    def _validation(self, key: str) -> tuple[float, float]:
        """Return the validation score and likelihood of a model."""
        result = self.known[key]
        return result.fit.validated, _likelihood(result)

    def _trials(self, taken: Taken) -> Iterator[TrialScores]:
        for unit, key in taken.items():
            result = self.known[key]
            likelihood = finite(_likelihood(result))
            yield TrialScores(unit.task, unit.shots, unit.seed, result.score, result.fit.validation, likelihood)

    def _retained(self) -> Iterable[Kept]:
        for label, taken in self.taken.items():
            retained = [entry for key in taken.values() for entry in self.known[key].retained]
            for task in dict.fromkeys(entry.task for entry in retained):
                of_task = [entry for entry in retained if entry.task == task]
                alone, fused = fmean(entry.alone for entry in of_task), fmean(entry.fused for entry in of_task)
                yield Kept(label, task, alone, fused, len(of_task))

    def _speeds(self) -> Iterable[Speed]:
        """Yield for each entry that trains how soon it is as good on validation as the reference ends."""
        reference = self.taken.get(self.record.reference, {})
        for label, taken in self.taken.items():
            shares = [
                _share(self.known[taken[unit]], self.known[reference[unit]])
                for unit in taken
                if unit in reference and label != self.record.reference and self._both_trained(taken, reference, unit)
            ]
            if shares:
                yield Speed(label, tuple(shares))

    def _both_trained(self, ours: Taken, theirs: Taken, unit: Unit) -> bool:
        return all(self.known[taken[unit]].fit.steps for taken in (ours, theirs))

    def _made_of(self, taken: Taken) -> list[tuple[str, ...]]:
        """Return the lists of sources that results were made of, each once."""
        return [*dict.fromkeys(own for key in taken.values() if (own := self.known[key].sources))]

    def _details(self, taken: Taken) -> dict[str, tuple[float, ...]]:
        """Return the mean over units of what needs a picture: the weights, and details by layer.

        Nothing where it is made of other sources for some targets: a mean would be over numbers of different sources.
        """
        results = [self.known[key] for key in taken.values()]
        if len(self._made_of(taken)) > 1:
            return {}
        weights = [{"weights": result.weights} if result.weights else {} for result in results]
        details = [{**own, **result.details} for own, result in zip(weights, results, strict=True)]
        names = dict.fromkeys(name for detail in details for name in detail)
        rows = {name: [detail[name] for detail in details if name in detail] for name in names}
        return {name: _columns(own) for name, own in rows.items() if len({*map(len, own)}) == 1}


def _with_shots(unit: Unit) -> str:
    return f"{unit.task}, K = {unit.shots}"


def _likelihood(result: Result) -> float:
    """Return the log-likelihood of the validation examples; −∞ where a result of an earlier version lacks it.

    Without steps, and where the model as it began was kept, it belongs to no epoch, and is one of the facts.
    """
    fit, facts = result.fit, result.facts
    best = [epoch.validation_log_likelihood for epoch in fit.epochs if epoch.epoch == fit.best_epoch]
    began = facts.get("validation_log_likelihood_before", -np.inf)
    return best[0] if best else facts.get("validation_log_likelihood", began)


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


def _columns(rows: list[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(fmean(column) for column in zip(*rows, strict=True))


report = reported(FusionRecord, lambda record, workspace, brief: summarise(record, results_in(workspace), brief))


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the test score of each entry; each target with each number of examples is a problem."""
    record = FusionRecord.read(experiment, document, workspace)
    results = results_in(workspace)
    keys: dict[str, dict[tuple[str, int], dict[Replication, str]]] = {entry.label: {} for entry in record.entries}
    for cell in record.cells:
        keys[cell.label].setdefault((cell.target, cell.shots), {})[cell.seed, ()] = cell.key
    return {
        label: {
            "score": MetricScores(
                "higher",
                {
                    f"{target}, K = {shots}": _problem(target, record.data.get(target), own, results)
                    for (target, shots), own in by_problem.items()
                },
            )
        }
        for label, by_problem in keys.items()
    }


def _problem(
    target: str, fingerprint: str | None, keys: dict[Replication, str], results: OutcomeFolders[Result]
) -> ProblemScores:
    by_replication = {replication: results.require(key) for replication, key in keys.items()}

    def examples(replication: Replication, _: str) -> pd.Series | None:
        return scores_by_example(results.outcomes(keys[replication]), by_replication[replication].score)

    size = next(iter(by_replication.values())).examples
    values = {replication: result.score for replication, result in by_replication.items()}
    return ProblemScores(values, {target: split_key(fingerprint, size)}, examples, score_step([size]))
