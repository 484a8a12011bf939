"""What people see of a comparison of compositions: verdict, scores and gains, what is kept, figures, sources."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from experiments.reporting.below_differences import below_differences
from experiments.reporting.equality import not_equal
from experiments.reporting.presentation import Definitions, Medium, Paragraph, Presentation
from experiments.reporting.provenance_tags import rerun_block
from experiments.reporting.wording import plural, settings
from experiments.studies.compositions import tables
from experiments.studies.compositions.gallery import figures
from experiments.studies.compositions.tracking import about, experiment_of, tracking
from experiments.studies.core.data_sources import data_table, used

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.reporting.presentation import Block
    from experiments.studies.compositions.report import FusionReport


def present(report: FusionReport) -> Presentation:
    """Return what people see of a report on compositions."""
    record = report.record
    targets = ", ".join(record.targets)
    return Presentation(
        experiment=record.experiment,
        tracked=experiment_of(record),
        title="fusion report",
        facts=(
            plural(len(record.targets), "target"),
            f"K = {', '.join(map(str, record.shots))}",
            plural(len(record.seeds), "seed"),
            f"backbone {record.backbone}",
        ),
        further=(targets, record.provenance.get("started", "")),
        says=record.description,
        verdict=report.verdict,
        complete=report.complete,
        written=partial(_blocks, report),
        document=lambda full: report.as_json(),
        about=about(record),
        tracking=partial(tracking, report),
    )


def _blocks(report: FusionReport) -> Iterator[Block]:
    record = report.record
    yield tables.scores(report)
    yield from below_differences(report.declared, "the mean score")
    for row in tables.ranked(report):
        if row.chosen:
            taken = ", ".join(f"{label} {times}×" for label, times in row.chosen.items())
            yield Paragraph(f"{row.label} took {taken}.", "quiet", Medium.PAGE)
    if report.retained:
        yield tables.retention(report)
    yield from tables.trained_elsewhere(record.sources)
    if report.speeds:
        yield tables.speeds(report)
    yield not_equal(report.unequal, record.reference)
    yield from figures(report)
    yield tables.sources(report)
    budgets = record.budgets.items()
    shown = [(f"budget, K = {shots}", settings(used(budget, record.precision))) for shots, budget in budgets]
    yield Definitions("Circumstances", shown)
    yield from data_table(record.data_sources)
    yield rerun_block(record.provenance)
