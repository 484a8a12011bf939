"""What people see of a comparison of ways of updating: the verdict, scores, what is kept and lost, costs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.learned_nothing import NOTHING, failure, warnings
from adapter_workbench.experiments.reporting.presentation import Figure
from adapter_workbench.experiments.reporting.wording import number, plural, settings, tasks_named
from adapter_workbench.experiments.studies.core.closing import closing
from adapter_workbench.experiments.studies.core.data_sources import used
from adapter_workbench.experiments.studies.updates import tables
from adapter_workbench.experiments.studies.updates.measures import SCORE
from adapter_workbench.experiments.studies.updates.tracking import experiment_note, tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.updates.report import UpdatesReport

TITLE = "Score by version"
CAPTION = "Each version on all of its test rows, one line an entry, one panel a task; bars: 95 % intervals over seeds."


def present(report: UpdatesReport) -> Presentation:
    """Return what people see of a report on ways of updating."""
    record = report.record
    facts = (
        f"{tasks_named(record.tasks)}, {record.scenario}",
        plural(record.versions, "version"),
        plural(len(record.seeds), "seed"),
    )
    return report.presented("comparison of updates", facts, _blocks, tracking, experiment_note(record))


def _blocks(report: UpdatesReport) -> Iterator[Block]:
    if report.scored:
        yield tables.scores(report)
        yield from below_differences(report.declared, "the mean score", report.record.verdicts_after)
        yield from warnings([*_failures(report)], "more epochs, another learning rate, more examples")
        yield tables.kept(report)
        yield from tables.further(report)
        yield Figure("score-by-version", TITLE, CAPTION, _alternative(report), partial(_draw, report))
        yield from tables.by_version(report)
        yield tables.costs(report)
    yield from closing(report, _settings_used(report), len(report.rows))


def _failures(report: UpdatesReport) -> Iterator[str]:
    """Yield which entries seem to have learned nothing, and with what."""
    for row in report.scored:
        for task, seed, why in row.learned_nothing[:1]:
            others = len(row.learned_nothing) - 1
            whole = len(report.record.tasks) * len(report.record.planned_seeds(row.label))
            yield failure(f"{row.label} {NOTHING} of {task}", seed, why, others, f"its {whole}")


def _draw(report: UpdatesReport) -> Drawing:
    from adapter_workbench.experiments.studies.updates.figures import scores_by_version  # matplotlib takes a while

    return scores_by_version(report.rows, report.record.tasks)


def _alternative(report: UpdatesReport) -> str:
    """Return what the figure shows, for whoever cannot see it."""
    ends = "; ".join(f"{row.label} {number(row.metrics[SCORE].mean)} %" for row in report.scored)
    return f"{TITLE}. The last version, mean over tasks: {ends}. The tables of this page hold the numbers."


def _settings_used(report: UpdatesReport) -> list[tuple[str, str]]:
    record = report.record
    entries = [("budget", settings(used(record.budget, record.precision)))]
    entries += [(row.label, f"{row.way}, {row.method}, {settings(row.settings)}") for row in report.rows]
    entries += [(f"periods of {task}", ", ".join(names)) for task, names in record.periods.items() if len(names) > 1]
    entries += [(f"most frequent answer, {task}", f"{number(score)} %") for task, score in record.majority.items()]
    return entries
