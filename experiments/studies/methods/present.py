"""What people see of a comparison of methods: the recommendation, scores, costs, and what they stand for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.learned_nothing import NOTHING, failure, warnings
from adapter_workbench.experiments.reporting.presentation import Figure, Medium, Paragraph
from adapter_workbench.experiments.reporting.wording import (
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
from adapter_workbench.experiments.studies.core.data_sources import used
from adapter_workbench.experiments.studies.methods import tables
from adapter_workbench.experiments.studies.methods.quantities import PARAMETERS, STEP_MEMORY
from adapter_workbench.experiments.studies.methods.tracking import experiment_note, tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.methods.report import ComparisonReport

TITLE = "Score and size"
CAPTION = (
    "Top left is best: a high score with few trained parameters. The larger a mark, the more memory a training step "
    "takes beyond the model itself. Bars are 95 % intervals over seeds."
)


def present(report: ComparisonReport) -> Presentation:
    """Return what people see of a report on methods."""
    record = report.record
    facts = (tasks_named(record.tasks), plural(len(record.seeds), "seed"))
    note = experiment_note(record)
    return report.presented("comparison of methods", facts, _blocks, tracking, note, judged="Recommendation")


def _blocks(report: ComparisonReport) -> Iterator[Block]:
    record = report.record
    if report.scored:
        yield Paragraph(tables.tuned(report), media=Medium.TERMINAL)
        yield tables.scores(report)
        yield from below_differences(report.declared, "the mean score", report.record.verdicts_after)
        yield from warnings([*_failures(report)], "more epochs, another learning rate (--tune 3), more examples")
        yield Figure("score-by-parameters", TITLE, CAPTION, _alternative(report), partial(_draw, report))
        yield tables.costs(report)
    if record.searches:
        yield tables.searches(report)
    yield from closing(report, _settings_used(report), len(report.rows))


def _failures(report: ComparisonReport) -> Iterator[str]:
    """Yield which methods seem to have learned nothing, and with what."""
    for row in report.scored:
        for task, seed, why in row.learned_nothing[:1]:
            message, others = f"{row.label} {NOTHING} of {task}", len(row.learned_nothing) - 1
            yield failure(message, seed, why, others, f"its {len(row.cells)}")


def _draw(report: ComparisonReport) -> Drawing | None:
    from adapter_workbench.experiments.studies.methods.figures import score_by_parameters  # matplotlib takes a while

    shown = [row for row in report.rows if row.score.mean is not None and PARAMETERS.number(row)]
    return score_by_parameters(report, shown) if shown else None


def _alternative(report: ComparisonReport) -> str:
    """Return what the figure shows, for whoever cannot see it."""
    sign = unit(report.record.kinds).sign
    numbers = "; ".join(
        f"{row.label} {number(row.score.mean)}{sign} with {count(PARAMETERS.number(row))} trained parameters, "
        f"{megabytes(STEP_MEMORY.number(row))} a step"
        for row in report.scored
    )
    return f"{TITLE}. {numbers}. The tables of this page hold the numbers."


def _settings_used(report: ComparisonReport) -> list[tuple[str, str]]:
    record = report.record
    entries = [("budget", settings(used(record.budget, record.precision)))]
    entries += [(row.label, f"{row.method}, {settings(row.settings)}") for row in report.rows]
    for task, score in record.majority.items():
        kind = record.kinds.get(task, "")
        entries.append((f"{baseline(kind)}, {task}", f"{number(score)}{unit({task: kind}).sign}"))
    return entries
