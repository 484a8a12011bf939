"""What people see of repairs: the verdict, what each brings back, and what cannot be done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from experiments.reporting.below_differences import below_differences
from experiments.reporting.presentation import Definitions, Medium, Presentation, Sentences
from experiments.reporting.provenance_tags import rerun_block
from experiments.reporting.wording import plural, settings, tasks_named
from experiments.studies.core.data_sources import data_table, used
from experiments.studies.repair import tables
from experiments.studies.repair.tracking import about, tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.reporting.presentation import Block
    from experiments.studies.repair.report import RepairReport


def present(report: RepairReport) -> Presentation:
    """Return what people see of a report on repairs."""
    record = report.record
    return Presentation(
        experiment=record.experiment,
        tracked=record.experiment,
        title=f"repairs of {record.stream}",
        facts=(
            f"repairs of {record.stream}",
            tasks_named(record.tasks),
            plural(len(record.seeds), "seed"),
            f"backbone {record.backbone}",
        ),
        further=(record.provenance.get("started", ""),),
        says=record.description,
        verdict=report.verdict,
        complete=report.complete,
        written=partial(_blocks, report),
        document=report.as_json,
        about=about(record),
        tracking=partial(tracking, report),
    )


def _blocks(report: RepairReport) -> Iterator[Block]:
    record = report.record
    yield tables.repairs(report)
    if refused := [f"{entry.label}: not possible, {entry.refused}" for entry in record.entries if entry.refused]:
        yield Sentences(refused, Medium.ANY)
    yield from below_differences(report.declared, "average accuracy")
    for repaired in report.entries:
        if repaired.best:
            yield from tables.moved(repaired, repaired.best)
    circumstances = [("stream", record.stream), ("budget", settings(used(record.budget, record.precision)))]
    circumstances += [(entry.name, f"{entry.repair}, {settings(entry.settings)}") for entry in record.entries]
    yield Definitions("Circumstances", [*dict.fromkeys(circumstances)])
    yield from data_table(record.data_sources)
    yield rerun_block(record.provenance)
