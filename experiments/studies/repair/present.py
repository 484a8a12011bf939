"""What people see of repairs: the verdict, what each brings back, and what cannot be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.power import SEEDS_OF_STREAM
from adapter_workbench.experiments.reporting.presentation import Medium, Sentences
from adapter_workbench.experiments.reporting.wording import plural, settings, tasks_named
from adapter_workbench.experiments.studies.core.closing import closing
from adapter_workbench.experiments.studies.core.data_sources import used
from adapter_workbench.experiments.studies.repair import tables
from adapter_workbench.experiments.studies.repair.tracking import experiment_note, tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.repair.report import RepairReport


def present(report: RepairReport) -> Presentation:
    """Return what people see of a report on repairs."""
    record, title = report.record, f"repairs of {report.record.stream}"
    facts = (title, tasks_named(record.tasks), plural(len(record.seeds), "seed"))
    return report.presented(title, facts, _blocks, tracking, experiment_note(record))


def _blocks(report: RepairReport) -> Iterator[Block]:
    record = report.record
    yield tables.repairs(report)
    if refused := [f"{entry.label}: not possible, {entry.refused}" for entry in record.entries if entry.refused]:
        yield Sentences(refused, Medium.ANY)
    yield from below_differences(report.declared, "average accuracy", continued=SEEDS_OF_STREAM)
    for repaired in report.entries:
        if repaired.best:
            yield from tables.moved(repaired, repaired.best)
    circumstances = [("stream", record.stream), ("budget", settings(used(record.budget, record.precision)))]
    circumstances += [(entry.name, f"{entry.repair}, {settings(entry.settings)}") for entry in record.entries]
    yield from closing(report, dict.fromkeys(circumstances), compared=0)
