"""A comparison of routers as MLflow runs: one parent, and one child for each router or joint model and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.presentation import Tracking
from adapter_workbench.experiments.studies.core.quantity import points
from adapter_workbench.experiments.studies.core.track import child, parent, settled
from adapter_workbench.experiments.studies.routing.quantities import ENTRY, SEED
from adapter_workbench.experiments.studies.routing.tables import summary
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.studies.routing.record import EntryResult, RoutingRecord
    from adapter_workbench.experiments.studies.routing.report import RoutingReport
    from adapter_workbench.experiments.studies.routing.row import Row
    from adapter_workbench.workbench.mlflow.run_record import RunRecord


def tracking(report: RoutingReport) -> Tracking:
    """Return what MLflow should hold of ``report``."""
    record = report.record
    run = parent(
        report,
        tags={},
        params={**record.budget, "tasks": ", ".join(record.tasks)},
        metrics=(
            point for row in report.rows for point in settled(ENTRY, row, report, len(record.planned_seeds(row.label)))
        ),
        children=(_child(row, cell, record) for row in report.rows for cell in row.cells),
        view=View(("label", "role", "seed"), ("accuracy", "routing_accuracy")),
        first="accuracy",
    )
    below = "Test texts with the right task and the right label in percent, ± half the 95 % interval over seeds."
    return Tracking(run, summary(report), (below,))


def experiment_note(record: RoutingRecord) -> str:
    """Return the experiment's description in Markdown, the same for all its runs."""
    return (
        f"Routers among adapters for {escape(', '.join(record.tasks))}, on {escape(record.backbone)}. Each run is one"
        " comparison: its description holds the verdict, its artifacts the report. Below it is a run for each router"
        " or joint model and seed."
    )


def _child(row: Row, cell: EntryResult, record: RoutingRecord) -> RunRecord:
    own = {"role": row.role, row.role: row.name}
    points = _points(cell, record)
    return child(record, row.label, own, row.settings, points, record.tasks, cell.seed, seconds=cell.fit_seconds)


def _points(cell: EntryResult, record: RoutingRecord) -> Iterator[Point]:
    """Yield the numbers of one seed; the step is 0 throughout."""
    yield from points(SEED, cell, 0)
    for task, accuracy in zip(record.tasks, cell.outcome.accuracies, strict=True):
        yield metric_name("accuracy", task), accuracy, 0
