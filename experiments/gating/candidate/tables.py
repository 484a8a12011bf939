"""The tables of a candidate beside the champion: groups of rows, labels, costs, bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.gating.candidate.comparison import MARGIN
from adapter_workbench.experiments.reporting.cells import UNKNOWN, decimals, quantity, score, words
from adapter_workbench.experiments.reporting.differences import equal_in_words
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import bounds, count, megabytes, number, probability, seconds
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.gating.candidate.by_label import LabelComparison
    from adapter_workbench.experiments.gating.candidate.comparison import GroupComparison
    from adapter_workbench.experiments.gating.candidate.report import AnswerCalibration, CandidateReport, TrainingCost
    from adapter_workbench.experiments.gating.gate import Check, Gate
    from adapter_workbench.workbench.measures.statistics import Interval

MOST_LABELS = 8  # on a terminal
TONES = {"higher": "good", "lower": "bad"}


def groups(report: CandidateReport) -> Table:
    """Return both scores on each group of rows, with the difference."""
    columns: list[Shown[GroupComparison]] = [
        Shown(Column("test rows"), lambda group: words(group.title)),
        Shown(Column("rows", note="compared"), _rows),
        Shown(Column("champion"), lambda group: _score(group.champion)),
        Shown(Column("candidate"), lambda group: _score(group.candidate or group.candidate_on_all)),
        Shown(Column("difference"), _difference),
        Shown(Column("on all rows", note="candidate", media=Medium.PAGE), lambda group: _score(group.candidate_on_all)),
    ]
    note = (
        f"{report.metric.replace('_', ' ').capitalize()} in percent on the compared rows; differences in points, "
        "candidate − champion, with 95 % intervals. Marks stand beside the planned comparisons alone. A dash: the "
        "champion cannot give the label; the candidate's score is then of all rows."
    )
    title = "On old and new test rows"
    short = f"{title}; ▲ higher ▼ lower = {equal_in_words(MARGIN)} ? undecided"
    return table("groups", title, report.groups, columns, note, short)


def labels(report: CandidateReport) -> Iterator[Table]:
    """Yield the table of all labels, and for a terminal that of the labels with most changes."""
    columns: list[Shown[LabelComparison]] = [
        Shown(Column("label"), lambda label: words(label.label)),
        Shown(Column("", left=True), lambda label: words(label.note)),
        Shown(Column("rows"), lambda label: quantity(label.candidate.count, count)),
        Shown(Column("recall", note="champion", short="champion"), lambda label: _recall(label, 0)),
        Shown(Column("recall", note="candidate", short="candidate"), lambda label: _recall(label, 1)),
        Shown(Column("lost"), lambda label: _counted(label.lost)),
        Shown(Column("won"), lambda label: _counted(label.won)),
        Shown(Column("difference", note="points"), _label_difference),
        Shown(Column("precision", note="champion", media=Medium.PAGE), lambda label: _precision(label, 0)),
        Shown(Column("precision", note="candidate", media=Medium.PAGE), lambda label: _precision(label, 1)),
        Shown(Column("F1", note="champion", media=Medium.PAGE), lambda label: _f1(label, 0)),
        Shown(Column("F1", note="candidate", media=Medium.PAGE), lambda label: _f1(label, 1)),
    ]
    note = (
        "Lost: rows of the label that the champion has right and the candidate wrong; won: the other way round. "
        "Marks: McNemar's test for each label, after Holm for all of them. The intervals are not adjusted."
    )
    title = "Label by label"
    ranked = sorted(report.labels, key=lambda label: (label.champion is not None, -(label.lost or 0)))
    shown = ranked[:MOST_LABELS]
    more = f", {len(shown)} of {len(ranked)}: new ones and most lost first" if len(ranked) > len(shown) else ""
    short = f"Recall label by label{more}"
    yield table("labels-shown", title, shown, columns, short=short, media=Medium.TERMINAL)
    yield table("labels", title, report.labels, columns, note, media=Medium.PAGE)


def costs(report: CandidateReport) -> Table:
    """Return calibration and cost of both."""
    rows = [*zip(("champion", "candidate"), report.calibration, report.costs, strict=True)]

    def of_answers(text: str, name: str) -> Shown[tuple[str, AnswerCalibration, TrainingCost]]:
        return Shown(Column(text), lambda row: quantity(getattr(row[1], name)))

    columns: list[Shown[tuple[str, AnswerCalibration, TrainingCost]]] = [
        Shown(Column(""), lambda row: words(row[0])),
        of_answers("confidence", "confidence"),
        of_answers("ECE", "ece"),
        Shown(Column("way", left=True), lambda row: words(row[2].way)),
        Shown(Column("training", unit="s"), lambda row: quantity(row[2].seconds, seconds)),
        Shown(Column("steps"), lambda row: quantity(row[2].steps, decimals(0))),
        Shown(
            Column("trained parameters", short="parameters"), lambda row: quantity(row[2].trainable_parameters, count)
        ),
        Shown(Column("size", unit="MB"), lambda row: quantity(row[2].bytes / 1e6, megabytes)),
    ]
    note = (
        "Mean confidence and expected calibration error (15 bins; Guo et al. 2017) in percent, on the compared test "
        "rows. Cost is that of each one's own training, not of what the champion itself was made from."
    )
    return table("costs", "Calibration and cost", rows, columns, note)


def bounds_table(gate: Gate) -> Table:
    """Return the bounds, and which hold."""
    columns: list[Shown[Check]] = [
        Shown(Column("bound"), lambda check: words(check.what)),
        Shown(Column("asked"), lambda check: words(check.cells[1])),
        Shown(Column("found"), lambda check: words(check.cells[2] or "–")),
        Shown(Column("holds", left=True), lambda check: words(check.verdict)),
    ]
    note = "They decide whether the candidate may answer. Its scores and flips are measured on validation rows here."
    return table("bounds", "Bounds", gate.checks, columns, note)


def _score(value: Interval | None) -> Cell:
    """Return a share with its bounds: Wilson's interval does not lie around it evenly, so that ± would be another."""
    return UNKNOWN if value is None else replace(score(value), spread=bounds(value))


def _rows(group: GroupComparison) -> Cell:
    """Return how many rows are compared, of how many where some have a label that the champion cannot give."""
    if group.compared in (0, group.rows):
        return quantity(group.rows, count)
    return Cell(f"{group.compared:,} of {group.rows:,}", group.compared)


def _difference(group: GroupComparison) -> Cell:
    verdict = group.verdict
    if verdict is None:
        return _gap(group.difference)
    chance = verdict.p_equal if verdict.word == "equal" else verdict.p
    return _gap(group.difference, verdict.word, () if chance is None else (probability(chance, LEVEL),))


def _label_difference(label: LabelComparison) -> Cell:
    """Return the difference in recall, with a mark where it is decided: few labels have rows enough for that."""
    verdict = label.verdict
    if verdict is None or verdict.word not in TONES:
        return _gap(label.difference)
    return _gap(label.difference, verdict.word, () if verdict.p is None else (probability(verdict.p, LEVEL),))


def _gap(difference: Interval | None, word: str = "", notes: tuple[str, ...] = ()) -> Cell:
    """Return a difference in points with its interval, and what is said of it."""
    if difference is None:
        return UNKNOWN
    limits = bounds(difference)
    text = number(difference.mean, signed=True)
    tone = TONES.get(word, "even")
    return Cell(text, difference.mean, difference, limits, (limits, *notes), word, tone)


def _counted(value: int | None) -> Cell:
    return UNKNOWN if value is None else Cell(str(value), value)


def _recall(label: LabelComparison, side: int) -> Cell:
    return _share(label, side, "recall")


def _precision(label: LabelComparison, side: int) -> Cell:
    return _share(label, side, "precision")


def _f1(label: LabelComparison, side: int) -> Cell:
    return _share(label, side, "f1")


def _share(label: LabelComparison, side: int, name: str) -> Cell:
    scores = (label.champion, label.candidate)[side]
    return UNKNOWN if scores is None else quantity(getattr(scores, name))
