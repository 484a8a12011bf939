"""What people see of a candidate beside the champion, on a screen, on a page and in MLflow."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.gating.candidate.changed_answers import MOST, cut
from adapter_workbench.experiments.gating.candidate.comparison import MARGIN
from adapter_workbench.experiments.gating.candidate.tables import bounds_table, costs, groups, labels
from adapter_workbench.experiments.gating.candidate.tracking import ABOUT, EXPERIMENT, tracking
from adapter_workbench.experiments.reporting.cells import quantity, words
from adapter_workbench.experiments.reporting.differences import equal_in_words
from adapter_workbench.experiments.reporting.presentation import (
    Column,
    Definitions,
    Medium,
    Paragraph,
    Presentation,
    Sentences,
)
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.gating.candidate.changed_answers import Flip
    from adapter_workbench.experiments.gating.candidate.report import CandidateReport
    from adapter_workbench.experiments.reporting.presentation import Block, Table

ON_SCREEN, CHARACTERS = 3, 50  # flips on a terminal, and how much of their texts


def present(report: CandidateReport) -> Presentation:
    """Return what people see of a report."""
    first, second = report.versions
    return Presentation(
        experiment=f"{report.task}: candidate and champion",
        tracked=EXPERIMENT,
        title="a candidate beside the champion",
        facts=(f"candidate {report.candidate} of {second}", f"champion {report.champion} of {first}"),
        further=(f"{sum(label.candidate.count for label in report.labels):,} test rows",),
        says="",
        verdict=report.verdict,
        complete=True,
        written=partial(_blocks, report),
        document=lambda full: report.as_json(),
        about=ABOUT,
        tracking=partial(tracking, report),
        evidence=tuple(report.evidence),
    )


def _blocks(report: CandidateReport) -> Iterator[Block]:
    if report.refusal:  # on a terminal it is the message with which the command ends
        yield Paragraph(f"The candidate may not answer: {report.refusal}.", "warning", Medium.PAGE)
    if report.gate:
        yield bounds_table(report.gate)
    yield groups(report)
    if notes := report.remarks:
        yield Sentences(notes, Medium.ANY)
    yield from labels(report)
    yield from _flips(report)
    yield costs(report)
    yield _terms()


def _flips(report: CandidateReport) -> Iterator[Block]:
    lost, won = report.flips.lost, report.flips.won
    if lost:
        rows = "1 test row was right and is" if len(lost) == 1 else f"{len(lost):,} test rows were right and are"
        shown = f"{rows} wrong now"
        yield _examples("lost-shown", shown, lost[:ON_SCREEN], CHARACTERS, Medium.TERMINAL)
        yield _examples("lost", _titled("Right before, wrong now", lost), lost[:MOST], None, Medium.PAGE)
    else:
        yield Paragraph("No test row was right before and is wrong now.", "quiet")
    if won:
        yield _examples("won", _titled("Wrong before, right now", won), won[:MOST], None, Medium.PAGE)


def _titled(title: str, flips: Sequence[Flip]) -> str:
    of = f"{MOST} of {len(flips):,}" if len(flips) > MOST else f"{len(flips):,}"
    return f"{title} ({of})"


def _examples(name: str, title: str, flips: Sequence[Flip], longest: int | None, media: Medium) -> Table:
    columns: list[Shown[Flip]] = [
        Shown(Column("row"), lambda flip: words(flip.row)),
        Shown(Column("right", left=True), lambda flip: words(flip.right)),
        Shown(Column("champion", left=True), lambda flip: words(flip.champion)),
        Shown(Column("candidate", left=True), lambda flip: words(flip.candidate)),
        Shown(Column("confidence", media=Medium.PAGE), lambda flip: quantity(flip.confidence, share)),
        Shown(Column("rows", left=True, media=Medium.PAGE), lambda flip: words("old" if flip.old else "new")),
        Shown(Column("text", left=True), lambda flip: words(cut(flip.text, longest) if longest else flip.text)),
    ]
    note = "The answers first of which the candidate is surest; the JSON document has the ids of all."
    return table(name, title, flips, columns, note, title, media)


def _terms() -> Definitions:
    entries = [
        ("old rows", "test rows that the champion's version of the task has too, with the same text"),
        ("compared", "rows whose right label the champion can give; its score on others is not measured, and is not 0"),
        (
            "planned",
            "the difference on old rows, and that on new rows: they have a verdict, adjusted for both (Holm). "
            "So has each label that the champion can give, adjusted for their number. All other differences are "
            "exploratory: they have no verdict. No interval is adjusted",
        ),
        (
            "higher, lower, equal, undecided",
            f"McNemar's test at 5 %; {equal_in_words(MARGIN)} by two one-sided tests at 5 %; else undecided. Intervals "
            "are Tango's (1998), over the same test rows",
        ),
        (
            "negative flip rate",
            "share of rows that the champion has right and the candidate wrong (Yan et al. 2021, Positive-Congruent "
            "Training, arXiv:2011.09161)",
        ),
        (
            "merged labels",
            "the champion's probabilities of labels that are one now are added; the label with the largest sum is its "
            "answer",
        ),
        ("one training", "both are single trainings: with another seed, either may score otherwise"),
    ]
    return Definitions("What the words mean", entries)
