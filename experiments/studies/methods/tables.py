"""The tables of a comparison of methods: scores with their differences, costs, learning rates that were tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.cells import NOTHING, decimals, gap, quantity, score, words
from experiments.reporting.presentation import Cell, Column, Medium, Table
from experiments.reporting.wording import DASH, count, megabytes, number, plural, seconds, unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.studies.methods.record import Search
    from experiments.studies.methods.report import ComparisonReport, Row

    Make = Callable[[Row], Cell]

METHOD = Column("method")
MOST_TASKS = 3  # whose scores have room in a line of a terminal


def tuned(report: ComparisonReport) -> str:
    """Return how learning rates were chosen."""
    trials = report.record.tune
    if not trials:
        return "Each method at its own learning rate."
    return f"Each at the best of {plural(trials, 'learning rate')}, picked on validation, with another seed."


def scores(report: ComparisonReport) -> Table:
    """Return the test scores, the best method first, and differences from the reference."""
    record = report.record
    advised = report.recommendation.label if report.recommendation else None
    several = len(record.tasks) > 1
    room = Medium.ANY if len(record.tasks) <= MOST_TASKS else Medium.PAGE
    scale = unit(record.kinds)

    def name(row: Row) -> Cell:
        own = () if row.method == row.label else (row.method,)
        return words(row.label, *own, badge="recommended" if row.label == advised else "", tone="good")

    def of_task(task: str) -> Make:
        return lambda row: score(row.tasks[task])

    return Table.of(
        "scores",
        "Test scores",
        report.scored,
        [
            (METHOD, name),
            *((Column(task, media=room), of_task(task)) for task in (record.tasks if several else ())),
            (Column("mean" if several else "score"), lambda row: score(row.score)),
            (Column("validation", media=Medium.PAGE), lambda row: quantity(row.validation)),
            (Column(f"minus {record.reference}", "over seeds"), difference),
            (Column("over examples", media=Medium.PAGE), _over_examples),
        ],
        note=f"{scale.title}, with the 95 % interval over seeds; differences from {record.reference} in points, paired "
        f"over seeds (t) and over test examples (bootstrap). {tuned(report)} Nothing was selected on a test split.",
        short=f"Test score in {scale.words}{'' if len(record.seeds) == 1 else ', ± half the 95 % interval over seeds'}",
    )


def difference(row: Row) -> Cell:
    """Return a method's difference from the reference, over seeds."""
    return gap(row.difference.seeds, "higher") if row.difference else words("", badge="reference")


def _over_examples(row: Row) -> Cell:
    return gap(row.difference.examples, "higher") if row.difference else NOTHING


def summary(report: ComparisonReport) -> Table:
    """Return the table that a description has room for."""
    columns = [
        (METHOD, lambda row: words(row.label)),
        (Column("score"), lambda row: score(row.score)),
        (Column(f"minus {report.record.reference}"), difference),
        (Column("trained parameters"), trained),
        (Column("step memory"), _step_memory),
    ]
    return Table.of("summary", "", report.scored, columns)


def trained(row: Row) -> Cell:
    """Return how many parameters a method trains."""
    return quantity(row.trainable_parameters, count)


def _step_memory(row: Row) -> Cell:
    return quantity(row.measured.step_mb if row.measured else None, megabytes)


def costs(report: ComparisonReport) -> Table:
    """Return what each method takes to train, to keep and to answer with."""

    def measured(name: str, digits: int, factor: float = 1.0) -> Make:
        def make(row: Row) -> Cell:
            value = getattr(row.measured, name) if row.measured else None
            return quantity(None if value is None else factor * value, decimals(digits))

        return make

    def stored(row: Row) -> Cell:
        return quantity(None if row.stored_bytes is None else row.stored_bytes / 1e6, megabytes)

    page = Medium.PAGE
    return Table.of(
        "costs",
        "Costs",
        report.scored,
        [
            (METHOD, lambda row: words(row.label)),
            (Column("trained parameters", short="trained"), trained),
            (Column("fit", unit="s", short="training"), lambda row: quantity(row.seconds, seconds)),
            (Column("process memory", unit="MB", media=page), lambda row: quantity(row.peak_memory_mb, megabytes)),
            (Column("step memory", unit="MB"), _step_memory),
            (Column("stored", unit="MB"), stored),
            (Column("forward, µs a token", media=page), measured("forward_seconds_per_token", 1, 1e6)),
            (Column("backward, µs a token", media=page), measured("backward_seconds_per_token", 1, 1e6)),
            (Column("answer, ms", media=page), measured("inference_ms", 2)),
            (Column("merged, ms", media=page), measured("merged_inference_ms", 2)),
            (Column("against the bare backbone", short="answering"), lambda row: quantity(row.slowdown, slowdown)),
        ],
        note="Parameters, time of a fit, the process's highest memory in it, and size on disk are means over all "
        "adapters. Memory of a step alone, times per token and per answer were measured once, on a batch of "
        f"{report.record.tasks[0]}.",
        short="Cost; answering is held against the bare backbone",
    )


def slowdown(value: float | None) -> str:
    """Return how much longer an answer takes than the bare backbone's: ``+12 %``."""
    if value is None:
        return DASH
    text = f"{100 * value:+.0f}"
    return f"{'0' if float(text) == 0 else text.replace('-', '−')} %"


def searches(report: ComparisonReport) -> Table:
    """Return which learning rates were tried, and which was chosen."""
    tried = report.record.searches

    def attempts(search: Search) -> Cell:
        found = (
            f"{one.learning_rate:.2g}: {'failed' if one.validation is None else number(one.validation)}"
            for one in search.attempts
        )
        return words(", ".join(found))

    return Table.of(
        "learning-rates",
        "Learning rates that were tried",
        tried,
        [
            (METHOD, lambda search: words(search.label)),
            (Column("task", left=True), lambda search: words(search.task)),
            (Column("chosen", left=True), lambda search: quantity(search.chosen, lambda rate: f"{rate:.2g}")),
            (Column("tried", left=True), attempts),
        ],
        note=f"Validation score in {unit(report.record.kinds).words}, with seed {tried[0].seed}, which is not "
        "compared. The first is the method's own rate; the best one was taken.",
        media=Medium.PAGE,
    )
