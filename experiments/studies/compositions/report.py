"""What a comparison of compositions came to: its rows, what they differ in, the JSON document and the checklist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from adapter_workbench.experiments.reporting.cells import decimals, written
from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, ComparisonInWords, Named
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.studies.compositions.record import ALL_SHOTS, PICKS, Cell, EntryRecord
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.facts import Facts, PlannedComparison, unlike
from adapter_workbench.experiments.studies.core.quantity import Quantity, as_json
from adapter_workbench.experiments.studies.core.reference import Declared
from adapter_workbench.experiments.studies.core.rows import At, Row, RowsReport, mean_of_cells
from adapter_workbench.workbench.measures.statistics import finite, mean_of_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter_workbench.experiments.reporting.collapses import SeedScores
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.compositions.record import FusionRecord, Result
    from adapter_workbench.experiments.studies.core.facts import Document
    from adapter_workbench.experiments.studies.core.planned import Families
    from adapter_workbench.workbench.adapters.fit_record import FitRecord

CONTESTS = "contests"  # of picks; what else is compared is named by its K
CONTEST, MIXED_CONTEST = "best composition − best control", "best composition − best mixed data"


# --- rows


@dataclass(frozen=True)
class Tested:
    """One result, and where it belongs."""

    cell: Cell
    result: Result

    @property
    def score(self) -> float:
        """The main metric on the test split, in [0, 1]."""
        return self.result.score

    @property
    def fit(self) -> FitRecord:
        """What it took, and the validation score."""
        return self.result.fit

    @property
    def log_likelihood(self) -> float:
        """Mean over the validation examples, in nats; −∞ where a result of an earlier version lacks it.

        Between equal validation scores it decides what validation picks. Without steps, and where the model as it began
        was kept, it belongs to no epoch, and is one of the facts.
        """
        facts = self.result.facts
        best = [epoch.validation_log_likelihood for epoch in self.fit.epochs if epoch.epoch == self.fit.best_epoch]
        began = facts.get("validation_log_likelihood_before", -np.inf)
        return best[0] if best else facts.get("validation_log_likelihood", began)

    @property
    def at(self) -> At:
        """Its place in a row, whose tasks are the targets with each K."""
        return At(self.cell.seed, task=f"{self.cell.target}, K = {self.cell.shots}")


@dataclass(frozen=True)
class FusionRow(Row[Tested]):
    """One entry, or what validation picks among some; a family of differences is a group of K, or all of them.

    The reference has no ``against``; its differences are from itself.
    """

    entry: EntryRecord
    chosen: Mapping[str, int] = field(default_factory=dict)  # how often a pick took whom

    @property
    def role(self) -> str:
        """That of the entry."""
        return self.entry.role

    @property
    def control(self) -> str:
        """The label of what its gains are taken from; empty for the reference."""
        return next(iter(self.against.values()), "")

    def with_shots(self, group: str) -> FusionRow:
        """Return it with the results of one of the record's ``shot_groups``."""
        return self.among(
            at
            for at, of in self.results.items()
            if (of.cell.shots > 0 if group == ALL_SHOTS else str(of.cell.shots) == group)
        )

    def among(self, positions: Iterable[At]) -> FusionRow:
        """Return it with the results of these, and the tasks and replications that they are of."""
        results = {at: self.results[at] for at in positions}
        replications = tuple(at for at in self.replications if any(of[:2] == at for of in results))
        return replace(
            self, results=results, replications=replications, tasks=(*dict.fromkeys(at.task for at in results),)
        )

    def score(self, group: str) -> float | None:
        """Return the mean test score over targets and seeds; None where nothing is known."""
        return SCORE.number(self.with_shots(group))

    def validation(self, group: str) -> float | None:
        """Return the mean score on the validation split."""
        return VALIDATION.number(self.with_shots(group))

    def on_target(self, group: str, target: str) -> float | None:
        """Return the mean test score on one target."""
        return mean_of_known(of.score for of in self.with_shots(group).cells if of.cell.target == target)


# --- numbers, each a mean over targets and seeds of an entry with K examples


def _of_fit(quantity: Quantity[FitRecord]) -> Quantity[Row[Tested]]:
    return mean_of_cells(quantity.of(lambda of: of.fit))


PAGE = Medium.PAGE
SCORE: Quantity[Row[Tested]] = mean_of_cells(
    Quantity(
        "score",
        "share",
        lambda of: of.score,
        written(),
        "the main metric on the test split",
        {"summary": Column("score")},
        json="",
        tracked="",
    )
)
VALIDATION = _of_fit(fit.VALIDATION.placed(json="", tracked=""))
SECONDS = _of_fit(
    fit.SECONDS.placed({"scores": Column("time", unit="s", media=PAGE)}, json="", tracked="cost", name="seconds")
)
_STEPS: Quantity[FitRecord] = Quantity(
    "steps", "count", lambda record: record.steps, written(decimals(0)), "optimiser steps", json=""
)
SCORES = (SCORE, VALIDATION)
COST = (  # in the order of the table's columns
    _of_fit(fit.PARAMETERS.placed({"scores": Column("trained numbers", media=PAGE)}, json="", tracked="cost")),
    SECONDS,
    _of_fit(fit.PEAK_MEMORY.placed(json="")),
    _of_fit(_STEPS),
)
ENTRY = (*SCORES, *COST)
DECLARED = (Declared("contestants.LABEL.standings.K", ENTRY),)


# --- the report


@dataclass(frozen=True)
class Kept:
    """Mean test score on one source's own task under that source's own head: the source alone, and composed."""

    label: str
    task: str
    alone: float
    fused: float
    measurements: int


@dataclass(frozen=True)
class Speed:
    """Steps until an entry's validation score reaches the reference's final one, as a share of the reference's.

    One share for each target, K and seed; None where it was never reached, 0 where it was there from the start.
    """

    label: str
    shares: tuple[float | None, ...]

    @property
    def within_a_third(self) -> float:
        """In how many places (a share) at most a third of the reference's steps was enough."""
        return fmean(share is not None and share <= 1 / 3 for share in self.shares)


@dataclass(frozen=True)
class FusionReport(RowsReport):
    """Everything that is said about a comparison; families are the groups of K, and the contests of picks.

    Attributes:
        contest: the composition minus the control that validation picks in each place; None for a single fusion, or
            where there is no choice. A control is trained, or fitted, without any source.
        mixed_contest: the composition that validation picks minus the adapter that was trained on all sources' data,
            or minus what was begun at it, whichever validation picks; None where there is no such adapter.
        details: label → (``weights``, or a layer) → the mean of one number for each source; empty where an entry has
            other sources for some targets.
        made_of: label → the tasks of the sources that these numbers are of, in order, where the results say so.
        headline: whether composing beat the plain alternatives, in sentences.
        of_each: a sentence for each composition, beside what it is compared with.
    """

    study: ClassVar[str] = "compositions"
    record: FusionRecord
    rows: tuple[FusionRow, ...]
    retained: tuple[Kept, ...]
    speeds: tuple[Speed, ...]
    details: Mapping[str, Mapping[str, tuple[float, ...]]]
    contest: Difference | None = None
    mixed_contest: Difference | None = None
    made_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headline: tuple[str, ...] = ()
    of_each: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:  # type: ignore[override]  # it is made of its sentences
        """What came out, in sentences."""
        return " ".join((*self.headline, *self.of_each))

    @property
    def seed_scores(self) -> SeedScores:
        """Label → the mean over targets and K of each replication, and its seed."""
        return {row.label: row.with_shots(self.overall).by_seed(lambda of: of.score) for row in self.rows}

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: how the head began, the share of the budget's epochs, and among how many models it was picked."""
        return {
            row.label: {
                "head at first": row.entry.head,
                "share of the epochs": float(row.entry.settings.get("part", 1.0)) if row.entry.head else None,
                "models tried in each place": len(row.chosen) or 1,
            }
            for row in self.rows
        }

    @property
    def overall(self) -> str:
        """The group of all K that all entries take part in; it decides."""
        return self.record.shot_groups[-1]

    @property
    def main(self) -> str:
        """The family that decides."""
        return self.overall

    @property
    def declared(self) -> dict[str, Difference]:
        """Each row's gain over what it is compared with, over all K."""
        rows = (row for row in self.rows if row.against)
        return {row.label: row.differences[self.overall] for row in rows if self.overall in row.differences}

    @property
    def families(self) -> Families:
        """K, and all of them → label → its gain; and the contests of picks, each of which is a family of its own."""
        compared = [row for row in self.rows if row.label in self.declared]
        by_shots = {
            group: {row.label: row.differences[group] for row in compared if group in row.differences}
            for group in self.record.shot_groups
        }
        contests = {CONTEST: self.contest, MIXED_CONTEST: self.mixed_contest}
        return {**by_shots, CONTESTS: {name: contest for name, contest in contests.items() if contest}}

    def named(self, label: str) -> Named:
        """Return a label with what it is called in a sentence: a pick says who picked it."""
        return Named(label, f"the {label.removeprefix('best ')} that validation picks" if label in PICKS else "")

    @property
    def planned(self) -> tuple[ComparisonInWords, ...]:
        """Each row beside what it is compared with, over all K."""
        return tuple(
            ComparisonInWords(self.named(label), self.named(self.controls[label]), SCORED, gain)
            for label, gain in self.declared.items()
        )

    def needed_for(self, labels: Iterable[str]) -> set[str]:
        """Return the recipe's entries that these comparisons need: a pick needs all that validation picks among."""
        compared = super().needed_for(labels)
        roles = {role for label, own in PICKS.items() if label in compared for role in own}
        return compared - {*PICKS} | {entry.label for entry in self.record.entries if entry.role in roles}

    def row(self, label: str) -> FusionRow | None:
        """Return the row with this label, or None."""
        return next((row for row in self.rows if row.label == label), None)

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the report as one document; ``full`` adds to each row its settings and the scores of each result."""
        document = {
            **self.head("targets", "shots", "majority", "budgets"),
            "best_composition_minus_best_control": self.contest.as_json() if self.contest else None,
            **({"best_composition_minus_best_mixed_data": self.mixed_contest.as_json()} if self.mixed_contest else {}),
            "contestants": {row.label: _entry(self.record, row, full) for row in self.rows},
            "retention": [asdict(kept) for kept in self.retained],
            "speed": {
                speed.label: {"within_a_third": speed.within_a_third, "shares": list(speed.shares)}
                for speed in self.speeds
            },
            "details": {label: means for label, means in self.details.items() if means},
            "sources": list(self.record.sources),
            "diagnostics": dict(self.record.diagnostics),
        }
        return self.checked(document, facts)


def _entry(record: FusionRecord, row: FusionRow, full: bool) -> dict[str, Any]:
    entry = row.entry
    return {
        "role": entry.role,
        "family": entry.family,
        "method": entry.method,
        "against": row.control or None,
        "standings": {group: _scores(record, row, group) for group in record.shot_groups},
        **({"chosen": dict(row.chosen)} if row.chosen else {}),
        **({"settings": dict(entry.settings), "trials": [_trial(of) for of in row.cells]} if full else {}),
    }


def _scores(record: FusionRecord, row: FusionRow, group: str) -> dict[str, Any]:
    """Return an entry of ``standings``; ``gain`` as ``{mean, low, high, values, reading, bootstrap}``."""
    gain = row.differences.get(group)
    targets = {target: row.on_target(group, target) for target in record.targets}
    return {**as_json(ENTRY, row.with_shots(group)), "targets": targets, "gain": gain.as_json() if gain else None}


def _trial(of: Tested) -> dict[str, Any]:
    """Return how one model did: its place, its score, and by what validation picks; None where that is not known."""
    where = {"target": of.cell.target, "shots": of.cell.shots, "seed": of.cell.seed}
    likelihood = finite(of.log_likelihood)
    return {**where, "score": of.score, "validation": of.fit.validation, "validation_log_likelihood": likelihood}


# --- what the checklist asks


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells; None for that of another study."""
    rows = document.get("contestants")
    if rows is None:
        return None
    picks = tuple(f"the {label}" for label, row in rows.items() if row["role"] == "pick")
    return Facts(tuple(rows), tuple(_comparisons(document)), picks=picks)


def _comparisons(document: Document) -> Iterator[PlannedComparison]:
    rows, reference = document["contestants"], document["reference"]
    for label, row in rows.items():
        against = row.get("against") or reference
        for shots, standing in row["standings"].items():
            if label != reference and standing["gain"]:
                main = shots == [*row["standings"]][-1]  # over all K, or with the only one
                differs = _differs(row, rows[against])
                yield PlannedComparison(label, against, f"K = {shots}", standing["gain"], differs, main)


def _differs(row: Document, control: Document) -> tuple[str, ...]:
    """Return what differs: what it is made of, and the kind of adapter where both have one."""
    if not row["family"] or not control["family"]:
        return ("role",)
    family = ("fine-tuning method",) if unlike(["family"], row, control) else ()
    own = ("sources",) if unlike(["role"], row, control) else unlike(["method"], row, control)
    fresh = row["role"] == control["role"] == "fresh"  # its method is the fine-tuning method
    return family if fresh else (*family, *own)
