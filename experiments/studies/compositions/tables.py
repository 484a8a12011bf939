"""The tables of a comparison of compositions: scores and gains, what is kept of the sources' tasks, speed, sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import UNKNOWN, gap, over_examples, quantity, words
from experiments.reporting.differences import basis
from experiments.reporting.presentation import Cell, Column, Medium, Table
from experiments.reporting.wording import count, number, seconds

if TYPE_CHECKING:
    from experiments.studies.compositions.report import FusionReport, Row

CONTESTANT = Column("contestant")


def ranked(report: FusionReport) -> list[Row]:
    """Return the rows with a score, best first; what validation picks stands on top."""
    rows = [row for row in report.rows if row.standings[report.overall].score is not None]
    return sorted(rows, key=lambda row: (row.role != "pick", -(row.standings[report.overall].score or 0)))


def scores(report: FusionReport) -> Table:
    """Return scores by K and by target, and the gain over the reference."""
    record, overall, page = report.record, report.overall, Medium.PAGE
    keys = [*map(str, record.shots)]
    targets = record.targets if len(record.targets) > 1 else ()
    return Table(
        "scores",
        "Test scores",
        (
            CONTESTANT,
            *(Column(f"K = {key}", short=key) for key in keys),
            *(Column(target, media=page) for target in targets),
            *([Column("all")] if len(keys) > 1 else []),
            _minus(report),
            Column("over examples", media=page),
            Column("trained numbers", media=page),
            Column("time", unit="s", media=page),
        ),
        [
            (
                words(row.label, " · ".join(part for part in (row.role, row.family) if part)),
                *(quantity(row.standings[key].score) for key in keys),
                *(quantity(row.standings[overall].targets[target]) for target in targets),
                *([quantity(row.standings[overall].score)] if len(keys) > 1 else []),
                _gain(row, report),
                over_examples(row.standings[overall].gain if row.label != record.reference else None),
                quantity(row.standings[overall].trainable_parameters, count),
                quantity(row.standings[overall].seconds, seconds),
            )
            for row in ranked(report)
        ],
        note=f"Percent, mean over targets and seeds; the difference from {record.reference} in points, with the 95 % "
        "interval of this difference alone and p, paired over seeds (t), and over test examples (bootstrap). Higher "
        f"or lower where {basis(report.declared.values())}. Nothing was selected on a test split.",
        short="Test score by K, percent, mean over targets and seeds",
    )


def _minus(report: FusionReport) -> Column:
    return Column(f"minus {report.record.reference}")


def _gain(row: Row, report: FusionReport) -> Cell:
    if row.label == report.record.reference:
        return words("", badge="reference")
    gain = row.standings[report.overall].gain
    return gap(gain)


def summary(report: FusionReport) -> Table:
    """Return the table that a description has room for."""
    overall = report.overall
    rows = [(words(row.label), quantity(row.standings[overall].score), _gain(row, report)) for row in ranked(report)]
    return Table("summary", "", (CONTESTANT, Column("score"), _minus(report)), rows)


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
        rows.append((words(first), *(alone.get((family, task), UNKNOWN) for task in tasks)))
        rows += [(words(label), *(fused.get((label, task), UNKNOWN) for task in tasks)) for label in composed]
    return Table(
        "kept",
        "What is kept of the sources' own tasks",
        (Column(""), *map(Column, tasks)),
        rows,
        note="Test score of the composed body under each source's own head, percent.",
        short="What the composed adapter still knows of the sources' own tasks, under their own heads, percent",
    )


def speeds(report: FusionReport) -> Table:
    """Return how soon contestants are as good on validation as the reference ends."""
    reference = report.record.reference
    rows = [
        (
            words(speed.label),
            Cell(f"{number(speed.within_a_third)} %", speed.within_a_third),
            quantity(len(speed.shares), count),
        )
        for speed in report.speeds
    ]
    return Table(
        "speed",
        f"How soon they are as good as {reference}",
        (CONTESTANT, Column("within a third"), Column("places")),
        rows,
        note=f"Steps until the validation score reaches the one that {reference} ends with, as a share of its steps: "
        "how often a third was enough.",
        media=Medium.PAGE,
    )


def sources(report: FusionReport) -> Table:
    """Return the adapters that were composed."""
    names = ("adapter", "task", "method", "seed")
    columns = (*(Column(name, left=name in ("task", "method")) for name in names), Column("validation"))
    rows = [
        (*(words(source[name]) for name in names), quantity(source["validation"])) for source in report.record.sources
    ]
    return Table("sources", "Sources", columns, rows, media=Medium.PAGE)
