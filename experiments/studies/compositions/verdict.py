"""In words: did composing beat the plain alternatives?"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.differences import EQUAL, UNDECIDED, equal_in_words
from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, ComparisonInWords, Named, sentences
from adapter_workbench.experiments.reporting.wording import bounds, number
from adapter_workbench.experiments.studies.compositions.record import CONTROL, CONTROLS, MIXED, PICK, PICKS, SOURCE
from adapter_workbench.experiments.studies.compositions.rivals import WITHOUT_SKILL

if TYPE_CHECKING:
    from collections.abc import Collection

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.compositions.report import FusionReport, FusionRow

PICKED = Named(PICK, "the composition that validation picks")
SIMPLEST = ("frozen", "source", "fresh", "full", "average", "composition")  # roles
IN_PLACE = {  # role → what stands in the place of the sources, and what a composition gains from its own sources
    "random": ("random adapters of the same norms", "the sources' skill is"),
    "shuffled": ("sources trained on shuffled answers", "answers that fit their texts are"),
    "mixed": ("one adapter trained on the data of all sources mixed", "sources trained apart are"),
}


def headline(report: FusionReport) -> list[str]:
    """Return the sentences that open a report; they say so where a fusion does not beat the plain alternatives."""
    if not report.complete:
        done, planned = len(report.record.cells), report.record.planned
        return [f"Not finished: {done} of {planned or 'the planned'} results are there."]
    return _single(report) if report.record.single else _picked(report)


def of_each(report: FusionReport) -> list[str]:
    """Return a line for every composition beside what it is compared with; for a single fusion, for its rivals."""
    if not report.complete:
        return []
    if report.record.single:
        return _beside_rivals(report)
    composed = {row.label for row in report.rows if row.role in PICKS[PICK]}
    others = [comparison for comparison in report.planned if comparison.entry.label in composed]
    controls = [_in_place_of_sources(report, row) for row in report.rows if _has_other_sources(report, row)]
    return [*sentences(others), *controls, *_without_examples(report, composed)]


def _rivals(report: FusionReport) -> list[FusionRow]:
    """Return the plain alternatives that a single fusion has to beat."""
    plain = (_fresh(report), _best_control(report), _best_source(report), _average(report))
    own = report.row(report.record.reference)
    return [row for index, row in enumerate(plain) if row and row is not own and row not in plain[:index]]


def _beside_rivals(report: FusionReport) -> list[str]:
    """Return one line for each rival: ``ties − full fine-tuning: −5.9 [−14, 2], undecided``."""
    reference, lines = report.record.reference, []
    for row in _rivals(report):
        gain = row.difference
        if gain is None or gain.shown.mean is None:
            continue
        named, label = _named(report, row), f"{reference} − {row.label}"
        gap = f"{number(-gain.shown.mean, signed=True)} {bounds(gain.shown, sign=-1)}".rstrip()
        came_to = {"higher": "lower", "lower": "higher", EQUAL: equal_in_words(gain.margin)}
        lines.append(f"{label} ({named}): {gap}, {came_to.get(gain.reading, gain.reading)}.")
    return lines


def _single(report: FusionReport) -> list[str]:
    """Judge one fusion: the reference is the fusion itself, so that the others' differences are turned around."""
    record = report.record
    own = report.row(record.reference)
    if own is None:
        return []
    score = number(own.score(report.overall))
    parts = [f"{own.label} scores {score} % on {record.targets[0]} with {record.shots[0]} examples."]
    lost = [
        row.label
        for row in _rivals(report)
        if (gain := row.difference) and gain.reading != "lower" and row.role in (*CONTROLS, "source")
    ]
    parts += [_in_place_of_sources(report, row) for row in report.rows if row.role in WITHOUT_SKILL]
    if lost:
        parts.append(f"So this fusion does not beat the plain alternatives: {' and '.join(lost)}.")
    parts += _picked_by_validation(report, own)
    return parts


def _picked_by_validation(report: FusionReport, own: FusionRow) -> list[str]:
    """Return what validation puts first, and whether the test rows contradict it; nothing where nothing validates."""
    ranked = by_validation(report, [row.label for row in report.rows if row.role in SIMPLEST])
    if not ranked:
        return []
    first, labels = ranked[0], {row.label for row in ranked}

    def score(row: FusionRow) -> str:
        return f"{number(row.validation(report.overall))} %"

    beside = "" if first is own else f" ({own.label}: {score(own)})"
    parts = [f"Validation puts {first.label} first: {score(first)}{beside}."]
    if better := [label for label in report.standing.better_choices(first.label) if label in labels]:
        parts.append(f"On test rows {' and '.join(better)} {'is' if len(better) == 1 else 'are'} higher than that.")
    return parts


def by_validation(report: FusionReport, labels: Collection[str]) -> list[FusionRow]:
    """Return the rows with these labels, the best on validation rows first; none where nothing validates.

    Between equal scores the likelihood decides, and between equal likelihoods what comes first in :data:`SIMPLEST`.
    """
    rows = [row for row in report.rows if row.label in labels and row.validation(report.overall) is not None]
    rows.sort(key=lambda row: SIMPLEST.index(row.role))
    return sorted(rows, key=lambda row: on_validation(report, row), reverse=True)


def on_validation(report: FusionReport, row: FusionRow) -> tuple[float, float]:
    """Return the validation score of a row and, to decide between equals, its likelihood; −∞ where one is not known."""
    likelihoods = [of.log_likelihood for of in row.cells]
    complete = likelihoods and all(map(math.isfinite, likelihoods))
    return row.validation(report.overall) or 0, fmean(likelihoods) if complete else -math.inf


def _picked(report: FusionReport) -> list[str]:
    """Judge what validation picks."""
    contest = [
        *([_contest(report, report.contest)] if report.contest else []),
        *([_mixed_contest(report, report.mixed_contest)] if report.mixed_contest else []),
    ]
    picks = [comparison for comparison in report.planned if comparison.entry.label in (PICK, SOURCE)]
    return [*sentences(contest), *sentences(picks)]


def _without_examples(report: FusionReport, composed: Collection[str]) -> list[str]:
    """Return how compositions do with no example, beside what they are compared with; nothing where all else is so."""
    if 0 not in report.record.shots or report.record.overall == (0,):
        return []
    gains = {label: gain for label, gain in report.families["0"].items() if label in composed}
    beside = [
        ComparisonInWords(Named(label), Named(report.controls[label]), SCORED, gain) for label, gain in gains.items()
    ]
    words = sentences(beside)
    return [f"Without any example (K = 0): {sentence}" for sentence in words]


def _has_other_sources(report: FusionReport, row: FusionRow) -> bool:
    """Return whether a row is one of the recipe's compositions, made of other sources."""
    composed = report.row(row.control)
    return row.role in IN_PLACE and composed is not None and composed.role == "composition"


def _in_place_of_sources(report: FusionReport, row: FusionRow) -> str:
    """Return what a composition is with other sources, and what those that it has are worth beside them."""
    others, what = IN_PLACE[row.role]
    beginning = f"With {others} in place of its sources {row.control} scores {number(row.score(report.overall))} %"
    gain = row.difference
    if gain is None or gain.shown.mean is None:
        return f"{beginning}."
    worth = f"{number(-gain.shown.mean, signed=True)} points {bounds(gain.shown, sign=-1)}".rstrip()
    if gain.reading == UNDECIDED:
        return f"{beginning}: what {what} worth is undecided ({worth})."
    if gain.reading == EQUAL:
        return f"{beginning}: that is {equal_in_words(gain.margin)} ({worth})."
    return f"{beginning}: {what} worth {worth}."


def _contest(report: FusionReport, contest: Difference) -> ComparisonInWords:
    """Return composing beside the best of what lacks the sources, each picked by validation in each place."""
    control = report.row(CONTROL)
    without = Named(CONTROL, f"the model without sources that it picks ({_chosen(control)})")
    return ComparisonInWords(PICKED, without, SCORED, contest)


def _mixed_contest(report: FusionReport, contest: Difference) -> ComparisonInWords:
    """Return composing beside what begins at one adapter that was trained on all sources' data."""
    picked = report.row(MIXED)
    which = f" that it picks ({_chosen(picked)})" if picked else ""
    return ComparisonInWords(
        PICKED, Named(MIXED, f"the adapter trained on the sources' data mixed{which}"), SCORED, contest
    )


def _chosen(row: FusionRow | None) -> str:
    return ", ".join(f"{label} {times}×" for label, times in row.chosen.items()) if row else ""


def _fresh(report: FusionReport) -> FusionRow | None:
    return next((row for row in report.rows if row.role == "fresh"), None)


def _best_control(report: FusionReport) -> FusionRow | None:
    """Return the row without sources that is best on validation; between equals the first of ``CONTROLS``."""
    controls = [row for role in CONTROLS for row in report.rows if row.role == role]
    return max(controls, key=lambda row: on_validation(report, row), default=None)


def _average(report: FusionReport) -> FusionRow | None:
    return next((row for row in report.rows if row.role == "average"), None)


def _best_source(report: FusionReport) -> FusionRow | None:
    """Return the source that is best on validation; None where there were no examples to validate on."""
    sources = [row for row in report.rows if row.role == "source" and row.validation(report.overall) is not None]
    return max(sources, key=lambda row: on_validation(report, row), default=None)


def _named(report: FusionReport, row: FusionRow) -> str:
    fresh = "a fresh adapter" if report.record.overall != (0,) else "the bare backbone"
    own = {"fresh": fresh, "average": "the uniform average", "source": "the source that validation picks"}
    return own.get(row.role, "the model without sources that validation picks")
