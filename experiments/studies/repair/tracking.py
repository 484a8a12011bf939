"""Repairs as MLflow runs: one parent, and one child for each repair of each entry, and for doing nothing, and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.presentation import Tracking
from adapter_workbench.experiments.studies.core.quantity import points
from adapter_workbench.experiments.studies.core.track import child, parent, settled
from adapter_workbench.experiments.studies.repair.quantities import METRICS, REPAIRED, ROW
from adapter_workbench.experiments.studies.repair.tables import summary
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.studies.repair.record import RepairRecord
    from adapter_workbench.experiments.studies.repair.report import RepairReport
    from adapter_workbench.experiments.studies.repair.row import Cell, Row
    from adapter_workbench.workbench.mlflow.run_record import RunRecord


def tracking(report: RepairReport) -> Tracking:
    """Return what MLflow should hold of ``report``."""
    record = report.record
    run = parent(
        report,
        tags={"stream": record.stream},
        params={**record.budget, "tasks": ", ".join(record.tasks)},
        metrics=(
            point
            for entry in report.entries
            for row in entry.rows
            for point in (*settled(ROW, row, report, len(entry.streams)), *_minus_control(row, report))
        ),
        children=(_child(row, cell, record) for row in report.rows for cell in row.cells),
        view=View(("label", "repair", "seed"), ("average_accuracy", "retention")),
        first="average_accuracy",
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


def _minus_control(row: Row, report: RepairReport) -> Iterator[Point]:
    """Yield by how much a repair is above its control, once everything is there."""
    if row.minus_control and report.complete:
        yield metric_name(row.label, "minus_control"), row.minus_control.seeds.mean, len(report.record.seeds)


def _child(row: Row, cell: Cell, record: RepairRecord) -> RunRecord:
    """Return the run of one replication."""
    stream, repaired = cell.stream, cell.repaired
    own = {"repair": row.name, "strategy": stream.strategy, "method": stream.method}
    metrics = [*points(METRICS, cell.metrics, 0), *(points(REPAIRED, repaired, 0) if repaired else ())]
    params = dict(next((entry.settings for entry in record.entries if entry.label == row.label), {}))
    params |= {f"chosen/{name}": value for name, value in repaired.chosen.items()} if repaired else {}
    seconds = repaired.seconds if repaired else None
    return child(
        record, row.label, own, params, metrics, stream.tasks, stream.seed, seconds=seconds, order=stream.order
    )
