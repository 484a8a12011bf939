"""Repairs as MLflow runs: one parent, and one child for each repair of each entry, and for doing nothing, and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.presentation import Tracking
from experiments.studies.core.quantity import means, points
from experiments.studies.core.track import child, parent
from experiments.studies.repair.quantities import CELL, METRICS
from experiments.studies.repair.tables import summary
from workbench.measures.markdown import escape
from workbench.mlflow.mlflow_names import metric_name
from workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.reporting.adapter_run import Point
    from experiments.studies.repair.record import RepairRecord
    from experiments.studies.repair.report import EntryReport, RepairReport
    from experiments.studies.repair.row import Row
    from workbench.mlflow.run_record import RunRecord


def tracking(report: RepairReport) -> Tracking:
    """Return what MLflow should hold of ``report``."""
    record = report.record
    run = parent(
        report,
        tags={"stream": record.stream},
        params={**record.budget, "tasks": ", ".join(record.tasks)},
        metrics=(point for row in report.rows for point in _summary(row, report)),
        children=(run for entry in report.entries for row in entry.rows for run in _children(entry, row, record)),
        view=View(("label", "repair", "seed"), ("average_accuracy", "retention")),
    )
    below = "Scores in percent, ± half the 95 % interval over replications."
    return Tracking(run, summary(report), (below,))


def experiment_note(record: RepairRecord) -> str:
    """Return the experiment's description in Markdown, the same for all its runs."""
    return (
        f"Repairs of the stream {escape(record.stream)}, on {escape(record.backbone)}. Each run is one comparison with "
        "doing nothing: its description holds the verdict, its artifacts the report. Below it is a run for each repair "
        "and seed."
    )


def _children(entry: EntryReport, row: Row, record: RepairRecord) -> Iterator[RunRecord]:
    """Yield the run of each replication that is there."""
    settings = next((own.settings for own in record.entries if own.label == row.label), {})
    for stream, values, cell in zip(entry.streams, row.values, row.cells or [None] * len(row.values), strict=True):
        if values:
            metrics = [*points(METRICS, values, 0), *(points(CELL, cell, 0) if cell else ())]
            params = {**settings, **({f"chosen/{name}": value for name, value in cell.chosen.items()} if cell else {})}
            own = {"repair": row.name, "strategy": stream.strategy, "method": stream.method}
            took = cell.seconds if cell else None
            tasks = stream.tasks
            yield child(record, row.label, own, params, metrics, tasks, stream.seed, seconds=took, order=stream.order)


def _summary(row: Row, report: RepairReport) -> Iterator[Point]:
    """Yield a row's means under its label, once all replications are there; the step counts them."""
    if None in row.values:
        return
    yield from means(METRICS, row.metrics, row.label, len(row.values))
    if row.gain and report.complete:
        yield metric_name(row.label, "gain"), row.gain.seeds.mean, len(row.values)
