"""What stands at the end of the reports of all studies: what was not equal, settings, data, and the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import words
from adapter_workbench.experiments.reporting.equality import not_equal
from adapter_workbench.experiments.reporting.presentation import Column, Definitions, Medium, Paragraph, Sentences
from adapter_workbench.experiments.reporting.provenance_tags import rerun_block
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import DASH, plural
from adapter_workbench.experiments.studies.core.checklist import Answer
from adapter_workbench.experiments.studies.core.data_sources import data_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter_workbench.experiments.reporting.presentation import Block, Cell
    from adapter_workbench.experiments.studies.core.report import StudyReport


WORDS = {True: "yes", False: "no", None: DASH}
TONES = {True: "good", False: "bad", None: "even"}


def _holds(answer: Answer) -> Cell:
    return words("", badge=WORDS[answer.holds], tone=TONES[answer.holds])


def checked(report: StudyReport) -> Iterator[Block]:
    """Yield the referee's checklist: on a terminal how much of it holds, and what does not."""
    answers = [Answer(**answer) for answer in report.as_json().get("checklist", ())]
    if not answers:
        return
    asked = [answer for answer in answers if answer.holds is not None]
    failing = [f"{answer.question} No. {answer.answer}" for answer in asked if not answer.holds]
    held = f"Referee's checklist: yes to {len(asked) - len(failing)} of {plural(len(asked), 'question')}"
    yield Paragraph(f"{held} that apply{':' if failing else '.'}", "quiet", Medium.TERMINAL)
    if failing:
        yield Sentences(failing, Medium.TERMINAL)
    yield table(
        "checklist",
        "The referee's checklist",
        answers,
        [
            Shown(Column("question"), lambda answer: words(answer.question)),
            Shown(Column("holds", left=True), _holds),
            Shown(Column("by what", left=True), lambda answer: words(answer.answer)),
        ],
        note="Answered from the report itself. A dash: the question does not apply, or the report does not tell.",
        media=Medium.PAGE,
    )


def closing(report: StudyReport, circumstances: Iterable[tuple[str, str]], compared: int = 2) -> Iterator[Block]:
    """Yield what stands at the end of a page: what was not equal, settings, data, and how to run it once more.

    ``circumstances``: terms with their explanations; ``compared``: how many rows there are.
    """
    yield from checked(report)
    if compared > 1:
        yield not_equal(report.unequal, report.record.reference, report.controls)
    yield Definitions("Circumstances", [*circumstances])
    yield from data_table(report.record.data_sources)
    yield rerun_block(report.record.provenance)
