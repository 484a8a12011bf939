"""What people see of a comparison of compositions: verdict, scores and gains, what is kept, figures, sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.equality import not_equal
from adapter_workbench.experiments.reporting.presentation import Medium, Paragraph
from adapter_workbench.experiments.reporting.wording import plural, settings
from adapter_workbench.experiments.studies.compositions import tables
from adapter_workbench.experiments.studies.compositions.gallery import figures
from adapter_workbench.experiments.studies.compositions.tracking import experiment_note, experiment_of, tracking
from adapter_workbench.experiments.studies.core.closing import closing
from adapter_workbench.experiments.studies.core.data_sources import used

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.compositions.record import FusionRecord
    from adapter_workbench.experiments.studies.compositions.report import FusionReport


def present(report: FusionReport) -> Presentation:
    """Return what people see of a report on compositions."""
    record = report.record
    targets = plural(len(record.targets), "target")
    facts = (targets, f"K = {', '.join(map(str, record.shots))}", plural(len(record.seeds), "seed"))
    note, further, tracked = experiment_note(record), (", ".join(record.targets),), experiment_of(record)
    words = {"verdict": " ".join(report.headline), "listed": report.of_each}
    return report.presented("fusion report", facts, _blocks, tracking, note, further, tracked=tracked, **words)


def _without_examples(record: FusionRecord) -> Iterator[Paragraph]:
    """Say what has no score with K = 0, and why."""
    if 0 in record.shots:
        learning = f": {', '.join(record.needs_examples)}" if record.needs_examples else ""
        sentence = (
            "K = 0: there is nothing to learn from, so what learns from examples of a target has no score"
            f"{learning}. A fresh adapter is the bare backbone. Nothing validates, so nothing is picked."
        )
        among = " The one score of a row, and its difference, are over the other K." if record.overall != (0,) else ""
        yield Paragraph(sentence + among, "quiet")


def _blocks(report: FusionReport) -> Iterator[Block]:
    record = report.record
    yield tables.scores(report)
    yield from below_differences(report.declared, "the mean score", report.record.verdicts_after)
    for row in tables.ranked(report):
        if row.chosen:
            taken = ", ".join(f"{label} {times}×" for label, times in row.chosen.items())
            yield Paragraph(f"{row.label} took {taken}.", "quiet", Medium.PAGE)
    yield from _without_examples(record)
    if report.retained:
        yield tables.retention(report)
    yield from tables.trained_elsewhere(record.sources)
    if report.speeds:
        yield tables.speeds(report)
    yield not_equal(report.unequal, record.reference, report.controls)
    yield from figures(report)
    yield tables.sources(report)
    budgets = record.budgets.items()
    shown = [(f"budget, K = {shots}", settings(used(budget, record.precision))) for shots, budget in budgets]
    yield from closing(report, shown, compared=0)  # what was not equal stands further up
