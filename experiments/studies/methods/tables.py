"""The tables of a comparison of methods: scores with their differences, costs, learning rates that were tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import against, decimals, quantity, score, words
from experiments.reporting.presentation import Cell, Column, Medium, Table
from experiments.reporting.wording import DASH, MOST_NAMED, count, megabytes, plural, seconds, unit
from experiments.studies.core.tuning_table import tuning_table

if TYPE_CHECKING:
    from experiments.studies.methods.report import ComparisonReport, Row

METHOD = Column("method")


def tuned(report: ComparisonReport) -> str:
    """Return how learning rates were chosen, and which methods have none."""
    record = report.record
    untrained = [contender.label for contender in record.contenders if not contender.trains]
    if untrained and len(untrained) == len(record.contenders):
        return "Nothing is trained, so that there is no learning rate to choose."
    rate = "Each method at its own learning rate"
    if record.tune:
        rate = f"Each at the best of {plural(record.tune, 'learning rate')}, picked on validation, with another seed"
    verbs = ("trains", "has") if len(untrained) == 1 else ("train", "have")
    return f"{rate}; {', '.join(untrained)} {verbs[0]} nothing and {verbs[1]} none." if untrained else f"{rate}."


def scores(report: ComparisonReport) -> Table:
    """Return the test scores, the best method first, and differences from the reference."""
    record = report.record
    tasks = record.tasks if len(record.tasks) > 1 else ()
    room = Medium.ANY if len(tasks) <= MOST_NAMED else Medium.PAGE
    scale = unit(record.kinds)
    return Table(
        "scores",
        "Test scores",
        (
            METHOD,
            *(Column(task, media=room) for task in tasks),
            Column("mean" if tasks else "score"),
            Column("validation", media=Medium.PAGE),
            Column(f"minus {record.reference}", "over seeds"),
            Column("over examples", media=Medium.PAGE),
        ),
        [
            (
                _name(row, report),
                *(score(row.tasks[task]) for task in tasks),
                score(row.score),
                quantity(row.validation),
                *against(row.difference),
            )
            for row in report.scored
        ],
        note=f"{scale.title}, with the 95 % interval over seeds; differences from {record.reference} in points, paired "
        f"over seeds (t) and over test examples (bootstrap). {tuned(report)} Nothing was selected on a test split.",
        short=f"Test score in {scale.words}{'' if len(record.seeds) == 1 else ', ± half the 95 % interval over seeds'}",
    )


def _name(row: Row, report: ComparisonReport) -> Cell:
    advised = report.recommendation is not None and report.recommendation.label == row.label
    method = () if row.method == row.label else (row.method,)
    return words(row.label, *method, badge="recommended" if advised else "", tone="good")


def summary(report: ComparisonReport) -> Table:
    """Return the table that a description has room for."""
    heads = ("method", "score", f"minus {report.record.reference}", "trained parameters", "step memory")
    rows = [
        (
            words(row.label),
            score(row.score),
            against(row.difference)[0],
            quantity(row.trainable_parameters, count),
            _step_memory(row),
        )
        for row in report.scored
    ]
    return Table("summary", "", [*map(Column, heads)], rows)


def _step_memory(row: Row) -> Cell:
    return quantity(row.measured.step_mb if row.measured else None, megabytes)


def costs(report: ComparisonReport) -> Table:
    """Return what each method takes to train, to keep and to answer with."""
    page = Medium.PAGE
    return Table(
        "costs",
        "Costs",
        (
            METHOD,
            Column("trained parameters", short="trained"),
            Column("fit", unit="s", short="training"),
            Column("process memory", unit="MB", media=page),
            Column("step memory", unit="MB"),
            Column("stored", unit="MB"),
            Column("forward, µs a token", media=page),
            Column("backward, µs a token", media=page),
            Column("answer, ms", media=page),
            Column("merged, ms", media=page),
            Column("against the bare backbone", short="answering"),
        ),
        [
            (
                words(row.label),
                quantity(row.trainable_parameters, count),
                quantity(row.seconds, seconds),
                quantity(row.peak_memory_mb, megabytes),
                _step_memory(row),
                quantity(None if row.stored_bytes is None else row.stored_bytes / 1e6, megabytes),
                _measured(row, "forward_seconds_per_token", 1, 1e6),
                _measured(row, "backward_seconds_per_token", 1, 1e6),
                _measured(row, "inference_ms", 2),
                _measured(row, "merged_inference_ms", 2),
                quantity(row.slowdown, slowdown),
            )
            for row in report.scored
        ],
        note="Parameters, time of a fit, the process's highest memory in it, and size on disk are means over all "
        "adapters. Memory of a step alone, times per token and per answer were measured once, on a batch of "
        f"{report.record.tasks[0]}.",
        short="Cost; answering is held against the bare backbone",
    )


def _measured(row: Row, name: str, digits: int, factor: float = 1.0) -> Cell:
    value = getattr(row.measured, name) if row.measured else None
    return quantity(None if value is None else factor * value, decimals(digits))


def slowdown(value: float | None) -> str:
    """Return how much longer an answer takes than the bare backbone's: ``+12 %``."""
    if value is None:
        return DASH
    text = f"{100 * value:+.0f}"
    return f"{'0' if float(text) == 0 else text.replace('-', '−')} %"


def searches(report: ComparisonReport) -> Table:
    """Return which learning rates were tried, and which was chosen."""
    tried = report.record.searches
    return tuning_table(
        ("method", "task"),
        (((search.label, search.task), search.chosen, search.attempts) for search in tried),
        f"Validation score in {unit(report.record.kinds).words}, with seed {tried[0].seed}, which is not compared. "
        "The first is the method's own rate; the best one was taken.",
    )
