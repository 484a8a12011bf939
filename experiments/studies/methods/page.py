"""What people see of a comparison of methods: tables, figure, notes, MLflow runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.cells import words
from adapter_workbench.experiments.reporting.differences import by_which_test, tested_over
from adapter_workbench.experiments.reporting.learned_nothing import NOTHING, failure, warnings
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Figure, Medium, Paragraph, Tracking
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import (
    MOST_NAMED,
    baseline,
    count,
    megabytes,
    number,
    plural,
    settings,
    tasks_named,
    unit,
)
from adapter_workbench.experiments.studies.core.closing import closing
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
from adapter_workbench.experiments.studies.core.data_sources import used
from adapter_workbench.experiments.studies.core.quantity import points, shown_in
from adapter_workbench.experiments.studies.core.rows import tracked
from adapter_workbench.experiments.studies.core.tuning_table import tuning_table
from adapter_workbench.experiments.studies.methods.report import (
    ADAPTER,
    METHOD,
    PARAMETERS,
    SCORE,
    STEP_MEMORY,
    TEST,
    ComparisonReport,
    MethodRow,
)
from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.presentation import Block, Presentation, Table

    Compared = tuple["MethodRow", Difference]

MOST_TASKS = 4  # whose scores are columns in MLflow


TITLE = "Score and size"
CAPTION = (
    "Top left is best: a high score with few trained parameters. The larger a mark, the more memory a training step "
    "takes beyond the model itself. Bars are 95 % intervals over seeds."
)


def present(report: ComparisonReport) -> Presentation:
    """Return what people see of a report on methods."""
    record = report.record
    facts = (tasks_named(record.tasks), plural(len(record.seeds), "seed"))
    note = (
        f"Methods on {escape(', '.join(record.tasks))}, on {escape(record.backbone)}, with one budget. Each run is one"
        " comparison: its description holds the recommendation, its artifacts the report. Below it is a run for each"
        " method and seed."
    )
    return report.presented("comparison of methods", facts, _blocks, _tracking, note, judged="Recommendation")


def _blocks(report: ComparisonReport) -> Iterator[Block]:
    record = report.record
    if report.scored:
        yield Paragraph(tuned(report), media=Medium.TERMINAL)
        yield _scores(report)
        yield from below_differences(report.declared, "the mean score", report.record.verdicts_after)
        yield from warnings([*_failures(report)], "more epochs, another learning rate (--tune 3), more examples")
        yield Figure("score-by-parameters", TITLE, CAPTION, _alternative(report), partial(_draw, report))
        yield _costs_table(report)
    if record.searches:
        yield _searches(report)
    yield from closing(report, _settings_used(report), len(report.rows))


def _failures(report: ComparisonReport) -> Iterator[str]:
    """Yield which methods seem to have learned nothing, and with what."""
    for row in report.scored:
        for task, seed, why in row.learned_nothing[:1]:
            message, others = f"{row.label} {NOTHING} of {task}", len(row.learned_nothing) - 1
            yield failure(message, seed, why, others, f"its {len(row.cells)}")


def _draw(report: ComparisonReport) -> Drawing | None:
    from adapter_workbench.experiments.studies.methods.figures import score_by_parameters  # matplotlib takes a while

    scored = {row.label for row in report.scored}
    shown = [row for row in report.rows if row.label in scored and PARAMETERS.number(row)]
    return score_by_parameters(report, shown) if shown else None


def _alternative(report: ComparisonReport) -> str:
    """Return what the figure shows, for whoever cannot see it."""
    sign = unit(report.record.kinds).sign
    numbers = "; ".join(
        f"{row.label} {number(SCORE.number(row))}{sign} with {count(PARAMETERS.number(row))} trained parameters, "
        f"{megabytes(STEP_MEMORY.number(row))} a step"
        for row in report.scored
    )
    return f"{TITLE}. {numbers}. The tables of this page hold the numbers."


def _settings_used(report: ComparisonReport) -> list[tuple[str, str]]:
    record = report.record
    entries = [("budget", settings(used(record.budget, record.precision)))]
    entries += [(row.label, f"{row.entry.method}, {settings(row.entry.settings)}") for row in report.rows]
    for task, majority in record.majority.items():
        kind = record.kinds.get(task, "")
        entries.append((f"{baseline(kind)}, {task}", f"{number(majority)}{unit({task: kind}).sign}"))
    return entries


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


def _scores(report: ComparisonReport) -> Table:
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
            *by_tasks(tasks, TEST, room),
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


def _name(report: ComparisonReport, row: MethodRow) -> Cell:
    advised = report.recommendation is not None and report.recommendation.label == row.label
    method = () if row.entry.method == row.label else (row.entry.method,)
    return words(row.label, *method, badge="recommended" if advised else "", tone="good")


def _costs_table(report: ComparisonReport) -> Table:
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


def _searches(report: ComparisonReport) -> Table:
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


def _tracking(report: ComparisonReport) -> Tracking:
    """Return what MLflow should hold: one parent, and one child for each method and seed."""
    record, advice = report.record, report.recommendation

    def params(row: MethodRow, made: Sequence[FittedAdapter]) -> dict[str, Any]:
        return {**row.entry.settings, **{metric_name("rate", of.task): f"{of.learning_rate:g}" for of in made}}

    columns = [
        labelled("method"),
        Shown(Column("score"), SCORE.cell),
        *differences(record.reference, record.controls, difference_cell),
        *shown_in("summary", METHOD),
    ]
    return tracked(
        report,
        of_row=METHOD,
        of_replication=lambda row, at: (point for of in row.of(at) for point in points(ADAPTER, of, 0, of.task)),
        own=lambda row: {"method": row.entry.method},
        params=params,
        seconds=lambda of: [of.seconds],
        view=View(("label", "method", "seed"), tuple(metric_name("score", task) for task in record.tasks[:MOST_TASKS])),
        first="score",
        summary=table("summary", "", report.scored, columns),
        below=f"Test score in {unit(record.kinds).words}, ± half the 95 % interval over seeds.",
        tags={"recommended": advice.label} if advice and advice.label else {},
    )
