"""The tables of a comparison of methods: scores with their differences, costs, learning rates that were tried."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import words
from adapter_workbench.experiments.reporting.differences import by_which_test, tested_over
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import MOST_NAMED, plural, unit
from adapter_workbench.experiments.studies.core.compare import (
    at_look,
    by_tasks,
    compared_in_words,
    difference_cell,
    difference_of,
    differences,
    labelled,
    over_examples,
)
from adapter_workbench.experiments.studies.core.quantity import shown_in
from adapter_workbench.experiments.studies.core.tuning_table import tuning_table
from adapter_workbench.experiments.studies.methods.quantities import METHOD, SCORE

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.methods.report import ComparisonReport
    from adapter_workbench.experiments.studies.methods.row import Row


def tuned(report: ComparisonReport) -> str:
    """Return how learning rates were chosen, and which methods have none."""
    record = report.record
    untrained = [entry.label for entry in record.entries if not entry.trains]
    if untrained and len(untrained) == len(record.entries):
        return "Nothing is trained, so that there is no learning rate to choose."
    rate = "Each method at its own learning rate"
    if record.tune:
        rate = f"Each at the best of {plural(record.tune, 'learning rate')}, picked on validation, with another seed"
        if any(len(search.attempts) > record.tune for search in record.searches):
            rate += " (or of some more, where the best was at the edge)"
    verbs = ("trains", "has") if len(untrained) == 1 else ("train", "have")
    return f"{rate}; {', '.join(untrained)} {verbs[0]} nothing and {verbs[1]} none." if untrained else f"{rate}."


def scores(report: ComparisonReport) -> Table:
    """Return the test scores, the best method first, and differences from the reference."""
    record = report.record
    tasks = record.tasks if len(record.tasks) > 1 else ()
    room = Medium.ANY if len(tasks) <= MOST_NAMED else Medium.PAGE
    scale, over = unit(record.kinds), tested_over(report.declared.values())
    return table(
        "scores",
        "Test scores",
        report.scored,
        [
            Shown(Column("method"), partial(_name, report)),
            *by_tasks(tasks, room),
            Shown(Column("mean" if tasks else "score"), SCORE.cell),
            *shown_in("scores", METHOD),
            *differences(record.reference, record.controls, difference_cell, f"over {over}"),
            *at_look(record.verdicts_after, difference_of),
            over_examples(difference_of),
        ],
        note=f"{scale.title}, with the 95 % interval over seeds; differences from "
        f"{compared_in_words(record.reference, record.controls)} in points"
        f"{by_which_test(report.declared.values())}, and over test examples alone (bootstrap). {tuned(report)} Nothing "
        "was selected on a test split.",
        short=f"Test score in {scale.words}{'' if len(record.seeds) == 1 else ', ± half the 95 % interval over seeds'}",
    )


def _name(report: ComparisonReport, row: Row) -> Cell:
    advised = report.recommendation is not None and report.recommendation.label == row.label
    method = () if row.method == row.label else (row.method,)
    return words(row.label, *method, badge="recommended" if advised else "", tone="good")


def summary(report: ComparisonReport) -> Table:
    """Return the table that a description has room for."""
    columns = [
        labelled("method"),
        Shown(Column("score"), SCORE.cell),
        *differences(report.record.reference, report.record.controls, difference_cell),
        *shown_in("summary", METHOD),
    ]
    return table("summary", "", report.scored, columns)


def costs(report: ComparisonReport) -> Table:
    """Return what each method takes to train, to keep and to answer with."""
    return table(
        "costs",
        "Costs",
        report.scored,
        [labelled("method"), *shown_in("costs", METHOD)],
        note="Parameters, time of a fit, the process's highest memory in it, and size on disk are means over all "
        "adapters. Memory of a step alone, times per token and per answer were measured once, on a batch of "
        f"{report.record.tasks[0]}.",
        short="Cost; answering is held against the bare backbone",
    )


def searches(report: ComparisonReport) -> Table:
    """Return which learning rates were tried, and which was chosen."""
    tried = report.record.searches
    return tuning_table(
        [
            Shown(Column("method"), lambda search: words(search.label)),
            Shown(Column("task", left=True), lambda search: words(search.task)),
        ],
        tried,
        lambda search: search,
        f"Validation score in {unit(report.record.kinds).words}, with seed {tried[0].seed}, which is not compared. "
        "The first is the method's own rate; the best one was taken.",
    )
