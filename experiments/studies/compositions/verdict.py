"""In words: did composing beat the plain alternatives?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import EQUAL, UNDECIDED, equal_in_words
from experiments.reporting.wording import bounds, number, plural
from experiments.studies.compositions.record import CONTROL, CONTROLS, PICK, PICKS, SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.reporting.differences import Difference
    from experiments.studies.compositions.report import FusionReport, Row
    from workbench.measures.statistics import Interval


def verdict(report: FusionReport) -> str:
    """Return the sentences that open a report; they say so where a fusion does not beat the plain alternatives."""
    if not report.complete:
        done, planned = len(report.record.cells), report.record.planned
        return f"Not finished: {done} of {planned or 'the planned'} results are there."
    return " ".join(_single(report) if report.record.single else _grid(report))


def _single(report: FusionReport) -> list[str]:
    """Judge one fusion: the reference is the fusion itself, so that the others' differences are turned around."""
    record = report.record
    own = report.row(record.reference)
    plain = (_fresh(report), _best_control(report), _best_source(report), _average(report))
    rivals = [row for index, row in enumerate(plain) if row and row is not own and row not in plain[:index]]
    if own is None:
        return []
    score = number(own.scores[report.overall].score)
    parts = [f"{own.label} scores {score} % on {record.targets[0]} with {record.shots[0]} examples."]
    lost = []
    for row in rivals:
        scores = row.scores[report.overall]
        if scores.gain is None:
            continue
        equal = f"is {equal_in_words(scores.gain.margin)} to"
        words = {"lower": "beats", "higher": "loses to", EQUAL: equal}
        word = words.get(scores.gain.reading, "cannot be told apart from")
        parts.append(f"It {word} {_named(row)} ({number(scores.score)} %; {_turned(scores.gain.shown)}).")
        if word != "beats" and row.role in (*CONTROLS, "source"):
            lost.append(row.label)
    if lost:
        parts.append(f"So this fusion does not beat the plain alternatives: {' and '.join(lost)}.")
    return parts


def _grid(report: FusionReport) -> list[str]:
    record, overall = report.record, report.overall
    parts = [_against_control(report, report.contest)] if report.contest else []
    for label in (PICK, SOURCE):
        row = report.row(label)
        gain = row.scores[overall].gain if row else None
        if row and gain:
            beside = f"{_worded(gain)} {record.reference}"
            parts.append(
                f"The {label.replace('best ', '')} that validation picks is {beside}, "
                f"over {plural(len(record.targets), 'target')}, K = {', '.join(map(str, record.shots))} and "
                f"{plural(len(record.seeds), 'seed')}."
            )
    composed = [row for row in report.rows if row.role in PICKS[PICK]]
    for control in dict.fromkeys([record.reference, *(row.against for row in composed)]):
        above, below = _sides(report, [row for row in composed if row.against == control])
        parts.append(f"Told apart from {control}, and above it: {', '.join(above) or 'no composition'}.")
        parts.append(f"Below it: {', '.join(below) or 'none'}.")
    return parts


def _against_control(report: FusionReport, contest: Difference) -> str:
    """Say how composing does against the best of what lacks the sources, each picked by validation in each place."""
    control = report.row(CONTROL)
    picked = ", ".join(f"{label} {times}×" for label, times in control.chosen.items()) if control else ""
    beside = _worded(contest)
    return f"The composition that validation picks is {beside} the model without sources that it picks ({picked})."


def _sides(report: FusionReport, composed: Sequence[Row]) -> tuple[list[str], list[str]]:
    sides: dict[str, list[str]] = {"higher": [], "lower": []}
    for row in sorted(composed, key=lambda row: -(row.scores[report.overall].score or 0)):
        gain = row.scores[report.overall].gain
        if gain and (side := gain.reading) in sides:
            sides[side].append(row.label)
    return sides["higher"], sides["lower"]


def _fresh(report: FusionReport) -> Row | None:
    return next((row for row in report.rows if row.role == "fresh"), None)


def _best_control(report: FusionReport) -> Row | None:
    """Return the row without sources that is best on validation; between equals a fresh adapter."""
    controls = [row for role in CONTROLS for row in report.rows if row.role == role]
    return max(controls, key=lambda row: row.scores[report.overall].validation or 0, default=None)


def _average(report: FusionReport) -> Row | None:
    return next((row for row in report.rows if row.role == "average"), None)


def _best_source(report: FusionReport) -> Row | None:
    """Return the source that is best on validation."""
    sources = [row for row in report.rows if row.role == "source"]
    return max(sources, key=lambda row: row.scores[report.overall].validation or 0, default=None)


def _named(row: Row) -> str:
    own = {"fresh": "a fresh adapter", "average": "the uniform average"}
    picked = "source" if row.role == "source" else "model without sources"
    return own.get(row.role, f"the {picked} that validation picks, {row.label}")


def _turned(interval: Interval) -> str:
    """Return ``+1.2 points, 95 % interval [0.3, 2.1]`` for the difference seen from the other side."""
    mean = -interval.mean if interval.mean is not None else None
    return f"{number(mean, signed=True)} points{_limits(interval, -1)}"


def _worded(difference: Difference) -> str:
    mean, limits = difference.shown.mean or 0.0, _limits(difference.shown)
    gap = f"({number(mean, signed=True)} points{limits})"
    if difference.reading == UNDECIDED:
        return f"undecided {gap} against"
    if difference.reading == EQUAL:
        return f"{equal_in_words(difference.margin)} {gap} to"
    return f"{number(abs(mean))} points {'above' if mean > 0 else 'below'} ({limits.removeprefix(', ')})"


def _limits(interval: Interval, sign: int = 1) -> str:
    return f", 95 % interval {bounds(interval, sign)}" if bounds(interval) else ""
