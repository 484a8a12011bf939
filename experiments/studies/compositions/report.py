"""The report on a comparison of compositions: what all of its views are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.reporting.cells import decimals, written
from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, ComparisonInWords, Named
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.studies.compositions.record import PICKS
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.facts import Facts, PlannedComparison, unlike
from adapter_workbench.experiments.studies.core.quantity import Quantity, as_json
from adapter_workbench.experiments.studies.core.reference import Declared
from adapter_workbench.experiments.studies.core.report import StudyReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.compositions.record import FusionRecord
    from adapter_workbench.experiments.studies.core.facts import Document
    from adapter_workbench.experiments.studies.core.planned import Families
    from adapter_workbench.workbench.adapters.fit_record import FitRecord


@dataclass(frozen=True)
class TrialScores:
    """How one model of an entry did, that of one target, K and seed.

    Attributes:
        target, shots, seed: its place.
        score: the main metric on the test split, in [0, 1].
        validation: the same on the K validation examples; None without examples.
        validation_log_likelihood: mean over these examples, in nats; None where it is not known. Between equal
            validation scores it decides what validation picks.
    """

    target: str
    shots: int
    seed: int
    score: float
    validation: float | None
    validation_log_likelihood: float | None


@dataclass(frozen=True)
class EntryScores:
    """How an entry did with K examples, or over all K: means over targets and seeds; None where nothing is known.

    Attributes:
        score: test score in [0, 1].
        targets: the same by target.
        validation: score on the validation split.
        gain: minus the reference's, at equal targets and seeds.
        fits: behind all of it, one for each target and seed.
    """

    score: float | None
    targets: Mapping[str, float | None]
    validation: float | None
    gain: Difference | None
    fits: tuple[FitRecord, ...] = ()


PAGE = Medium.PAGE


def _mean(quantity: Quantity[FitRecord]) -> Quantity[EntryScores]:
    def fits(scores: EntryScores) -> Iterator[tuple[FitRecord]]:
        yield from ((record,) for record in scores.fits)

    return quantity.over(fits)


_STEPS: Quantity[FitRecord] = Quantity(
    "steps", "count", lambda record: record.steps, written(decimals(0)), "optimiser steps", json=""
)
SCORE: Quantity[EntryScores] = Quantity(
    "score",
    "share",
    lambda scores: scores.score,
    written(),
    "the main metric on the test split",
    {"summary": Column("score")},
    json="",
    tracked="",
)
SCORES: tuple[Quantity[EntryScores], ...] = (
    SCORE,
    fit.VALIDATION.placed(json="", tracked="").reported(lambda scores: scores.validation),
)
SECONDS = _mean(
    fit.SECONDS.placed({"scores": Column("time", unit="s", media=PAGE)}, json="", tracked="cost", name="seconds")
)
COST: tuple[Quantity[EntryScores], ...] = (  # in the order of the table's columns
    _mean(fit.PARAMETERS.placed({"scores": Column("trained numbers", media=PAGE)}, json="", tracked="cost")),
    SECONDS,
    _mean(fit.PEAK_MEMORY.placed(json="")),
    _mean(_STEPS),
)
ENTRY_SCORES = (*SCORES, *COST)
DECLARED = (Declared("contestants.LABEL.standings.K", ENTRY_SCORES),)


def circumstances(record: FusionRecord, tried: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return for each row how its head began, its share of the budget's epochs, and among how many it was picked.

    ``tried``: label of each row → how many models it was picked among in each place.
    """
    settings = {entry.label: entry.settings for entry in record.entries}
    heads = {entry.label: entry.head for entry in record.entries}
    return {
        label: {
            "head at first": heads.get(label),
            "share of the epochs": _share(settings[label]) if heads.get(label) else None,
            "models tried in each place": models,
        }
        for label, models in tried.items()
    }


def _share(settings: Mapping[str, Any]) -> float:
    return float(settings.get("part", 1.0))


CONTESTS = "contests"  # of picks; what else is compared is named by its K
CONTEST, MIXED_CONTEST = "best composition − best control", "best composition − best mixed data"


@dataclass(frozen=True)
class Row:
    """One entry, by K (as a string) and ``all``.

    Attributes:
        chosen: how often a pick took whom.
        against: the label of what its gains are taken from; empty for the reference.
        trials: each result behind the scores.
    """

    label: str
    role: str
    family: str
    method: str
    scores: Mapping[str, EntryScores]
    chosen: Mapping[str, int] = field(default_factory=dict)
    against: str = ""
    trials: tuple[TrialScores, ...] = ()


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
class FusionReport(StudyReport):
    """Everything that is said about a comparison.

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
    rows: tuple[Row, ...]
    retained: tuple[Kept, ...]
    speeds: tuple[Speed, ...]
    details: Mapping[str, Mapping[str, tuple[float, ...]]]
    headline: tuple[str, ...] = ()
    of_each: tuple[str, ...] = ()
    contest: Difference | None = None
    mixed_contest: Difference | None = None
    made_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:  # type: ignore[override]  # it is made of its sentences
        """What came out, in sentences."""
        return " ".join((*self.headline, *self.of_each))

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: head, epochs, models that were picked among."""
        return circumstances(self.record, {row.label: len(row.chosen) or 1 for row in self.rows})

    @property
    def overall(self) -> str:
        """The key of the scores over everything that all entries take part in."""
        shots = self.record.overall
        return "all" if len(shots) > 1 else str(shots[0])

    @property
    def declared(self) -> dict[str, Difference]:
        """Each row's gain over what it is compared with, over all K."""
        all_scores = {row.label: row.scores[self.overall] for row in self.rows if row.against}
        return {label: scores.gain for label, scores in all_scores.items() if scores.gain}

    @property
    def controls(self) -> dict[str, str]:
        """Label → what the row is compared with."""
        return {row.label: row.against for row in self.rows if row.against}

    @property
    def planned(self) -> tuple[ComparisonInWords, ...]:
        """Each row beside what it is compared with, over all K."""
        return tuple(
            ComparisonInWords(_named(label), _named(self.controls[label]), SCORED, gain)
            for label, gain in self.declared.items()
        )

    @property
    def main(self) -> str:
        """The key of the scores that decide."""
        return self.overall

    @property
    def families(self) -> Families:
        """K, and all of them → label → its gain; and the contests of picks, each of which is a family of its own."""
        compared = {row.label: row.scores for row in self.rows if row.label in self.declared}
        contests = {CONTEST: self.contest, MIXED_CONTEST: self.mixed_contest}
        by_shots = {
            shots: {label: gain for label, scores in compared.items() if (gain := scores[shots].gain)}
            for shots in (self.rows[0].scores if self.rows else ())
        }
        return {**by_shots, CONTESTS: {name: contest for name, contest in contests.items() if contest}}

    def needed_for(self, labels: Iterable[str]) -> set[str]:
        """Return the recipe's entries that these comparisons need: a pick needs all that validation picks among."""
        compared = super().needed_for(labels)
        roles = {role for label, own in PICKS.items() if label in compared for role in own}
        return compared - {*PICKS} | {entry.label for entry in self.record.entries if entry.role in roles}

    def row(self, label: str) -> Row | None:
        """Return the row with this label, or None."""
        return next((row for row in self.rows if row.label == label), None)

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the report as one document; ``full`` adds to each row its settings and the scores of each result."""
        settings = {entry.label: entry.settings for entry in self.record.entries}
        document = {
            **self.head("targets", "shots", "majority", "budgets"),
            "best_composition_minus_best_control": self.contest.as_json() if self.contest else None,
            **({"best_composition_minus_best_mixed_data": self.mixed_contest.as_json()} if self.mixed_contest else {}),
            "contestants": {
                row.label: {
                    "role": row.role,
                    "family": row.family,
                    "method": row.method,
                    "against": row.against or None,
                    "standings": {shots: _entry_scores(own) for shots, own in row.scores.items()},
                    **({"chosen": dict(row.chosen)} if row.chosen else {}),
                    **({"settings": dict(settings.get(row.label, {}))} if full else {}),
                    **({"trials": [asdict(trial) for trial in row.trials]} if full else {}),
                }
                for row in self.rows
            },
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


def _named(label: str) -> Named:
    """Return a label with what it is called in a sentence: a pick says who picked it."""
    return Named(label, f"the {label.removeprefix('best ')} that validation picks" if label in PICKS else "")


def _entry_scores(scores: EntryScores) -> dict[str, Any]:
    """Return an entry of ``standings``; ``gain`` as ``{mean, low, high, values, reading, bootstrap}``."""
    gain = scores.gain.as_json() if scores.gain else None
    return {**as_json(ENTRY_SCORES, scores), "targets": dict(scores.targets), "gain": gain}


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
