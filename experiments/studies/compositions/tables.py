"""The tables of a comparison of compositions: scores and gains, what is kept of the sources' tasks, speed, sources."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.cells import UNKNOWN, gap, over_examples, quantity, words
from adapter_workbench.experiments.reporting.differences import basis, by_which_test
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Paragraph, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import DASH, count, number
from adapter_workbench.experiments.studies.compositions.quantities import ENTRY_SCORES, SCORE
from adapter_workbench.experiments.studies.core.compare import at_look, compared_in_words, differences
from adapter_workbench.experiments.studies.core.quantity import shown_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.studies.compositions.report import FusionReport, Row, Speed

ENTRY_COLUMN = Column("entry")


def ranked(report: FusionReport) -> list[Row]:
    """Return the rows with a score, best first; what validation picks stands on top."""
    rows = [row for row in report.rows if row.scores[report.overall].score is not None]
    return sorted(rows, key=lambda row: (row.role != "pick", -(row.scores[report.overall].score or 0)))


def scores(report: FusionReport) -> Table:
    """Return scores by K and by target, and the gain over the reference."""
    record, overall, page = report.record, report.overall, Medium.PAGE
    keys = [*map(str, record.shots)]
    targets = record.targets if len(record.targets) > 1 else ()
    return table(
        "scores",
        "Test scores",
        ranked(report),
        [
            Shown(
                ENTRY_COLUMN, lambda row: words(row.label, " · ".join(part for part in (row.role, row.family) if part))
            ),
            *(Shown(Column(f"K = {key}", short=key), partial(_score, key)) for key in keys),
            *(Shown(Column(target, media=page), partial(_on_target, overall, target)) for target in targets),
            *([Shown(Column("all"), partial(_score, overall))] if overall == "all" else []),
            *_minus(report),
            *at_look(record.verdicts_after, lambda row: row.scores[overall].gain),
            Shown(Column("over examples", media=page), partial(_over_examples, report)),
            *_overall(report, "scores"),
        ],
        note="Percent, mean over targets and seeds; the difference from "
        f"{compared_in_words(record.reference, report.controls)} in points, with the 95 % interval of this difference "
        f"alone and p{by_which_test(report.declared.values())}, and with that over test examples alone "
        "(bootstrap). Higher or lower where "
        f"{basis(report.declared.values())}. Nothing was selected on a test split.",
        short="Test score by K, percent, mean over targets and seeds",
    )


def _score(shots: str, row: Row) -> Cell:
    return SCORE.cell(row.scores[shots])


def _on_target(shots: str, target: str, row: Row) -> Cell:
    return quantity(row.scores[shots].targets[target])


def _overall(report: FusionReport, name: str) -> list[Shown[Row]]:
    """Return the columns of quantities over everything."""
    return shown_in(name, (part.of(lambda row: row.scores[report.overall]) for part in ENTRY_SCORES))


def _minus(report: FusionReport) -> list[Shown[Row]]:
    reference = report.record.reference
    return differences(reference, report.controls, partial(_gain, report))


def _gain(report: FusionReport, row: Row) -> Cell:
    return gap(row.scores[report.overall].gain) if row.against else words("", badge="reference")


def _over_examples(report: FusionReport, row: Row) -> Cell:
    return over_examples(row.scores[report.overall].gain if row.against else None)


def summary(report: FusionReport) -> Table:
    """Return the table that a description has room for."""
    columns = [Shown(ENTRY_COLUMN, _label), *_overall(report, "summary"), *_minus(report)]
    return table("summary", "", ranked(report), columns)


def _label(row: Row) -> Cell:
    return words(row.label)


def retention(report: FusionReport) -> Table:
    """Return what a composed adapter still knows of its sources' own tasks, below the sources of its family alone."""
    tasks = list(dict.fromkeys(kept.task for kept in report.retained))
    families = {row.label: row.family for row in report.rows}
    labels: dict[str, list[str]] = {}
    for label in dict.fromkeys(kept.label for kept in report.retained):
        labels.setdefault(families[label], []).append(label)
    fused = {(kept.label, kept.task): quantity(kept.fused) for kept in report.retained}
    alone = {(families[kept.label], kept.task): quantity(kept.alone) for kept in report.retained}
    rows = []
    for family, composed in labels.items():
        first = f"the source alone, {family}" if len(labels) > 1 else "the source alone"
        rows.append({"": words(first), **{task: alone.get((family, task), UNKNOWN) for task in tasks}})
        rows += [
            {"": words(label), **{task: fused.get((label, task), UNKNOWN) for task in tasks}} for label in composed
        ]
    return table(
        "kept",
        "What is kept of the sources' own tasks",
        rows,
        [Shown(Column(head), itemgetter(head)) for head in ("", *tasks)],
        note="Test score of the composed body under each source's own head, percent.",
        short="What the composed adapter still knows of the sources' own tasks, under their own heads, percent",
    )


def speeds(report: FusionReport) -> Table:
    """Return how soon entries are as good on validation as the reference ends."""
    reference = report.record.reference
    return table(
        "speed",
        f"How soon they are as good as {reference}",
        report.speeds,
        [
            Shown(ENTRY_COLUMN, lambda speed: words(speed.label)),
            Shown(Column("within a third"), _within_a_third),
            Shown(Column("places"), lambda speed: quantity(len(speed.shares), count)),
        ],
        note=f"Steps until the validation score reaches the one that {reference} ends with, as a share of its steps: "
        "how often a third was enough.",
        media=Medium.PAGE,
    )


def _within_a_third(speed: Speed) -> Cell:
    return Cell(f"{number(speed.within_a_third)} %", speed.within_a_third)


def trained_elsewhere(sources: Sequence[Mapping[str, Any]]) -> Iterator[Paragraph]:
    """Yield which sources another program trained, if any: on which rows is not known."""
    if names := dict.fromkeys(str(source["adapter"]) for source in sources if "elsewhere" in source):
        sentence = f"Trained elsewhere: {', '.join(names)}. Test rows may have been among what they were trained on."
        yield Paragraph(sentence, "warning")


def sources(report: FusionReport) -> Table:
    """Return the adapters that were composed."""

    def source_cell(name: str, source: Mapping[str, Any]) -> Cell:
        return words(DASH if source[name] is None else source[name])

    columns = [
        *(
            Shown(Column(name, left=name in ("task", "method")), partial(source_cell, name))
            for name in ("adapter", "task", "method", "seed")
        ),
        Shown(Column("validation"), lambda source: quantity(source["validation"])),
    ]
    return table("sources", "Sources", report.record.sources, columns, media=Medium.PAGE)
