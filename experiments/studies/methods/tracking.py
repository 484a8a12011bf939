"""A comparison of methods as MLflow runs: one parent, and one child for each method and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.presentation import Tracking
from adapter_workbench.experiments.reporting.wording import unit
from adapter_workbench.experiments.studies.core.quantity import points
from adapter_workbench.experiments.studies.core.track import child, parent, settled
from adapter_workbench.experiments.studies.methods.quantities import ADAPTER, METHOD
from adapter_workbench.experiments.studies.methods.tables import summary
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.methods.record import ComparisonRecord
    from adapter_workbench.experiments.studies.methods.report import ComparisonReport
    from adapter_workbench.workbench.mlflow.run_record import RunRecord

MOST_TASKS = 4  # whose scores are columns


def tracking(report: ComparisonReport) -> Tracking:
    """Return what MLflow should hold of ``report``."""
    record, advice = report.record, report.recommendation
    run = parent(
        report,
        tags={"recommended": advice.label} if advice and advice.label else {},
        params={**record.budget, "tasks": ", ".join(record.tasks)},
        metrics=(
            point
            for row in report.rows
            for point in settled(METHOD, row, report, len(record.tasks) * len(record.planned_seeds(row.label)))
        ),
        children=_children(report),
        view=View(("label", "method", "seed"), tuple(metric_name("score", task) for task in record.tasks[:MOST_TASKS])),
        first="score",
    )
    below = f"Test score in {unit(record.kinds).words}, ± half the 95 % interval over seeds."
    return Tracking(run, summary(report), (below,))


def experiment_note(record: ComparisonRecord) -> str:
    """Return the experiment's description in Markdown, the same for all its runs."""
    return (
        f"Methods on {escape(', '.join(record.tasks))}, on {escape(record.backbone)}, with one budget. Each run is one"
        " comparison: its description holds the recommendation, its artifacts the report. Below it is a run for each"
        " method and seed."
    )


def _children(report: ComparisonReport) -> Iterator[RunRecord]:
    """Yield a run for each method and seed that has an adapter."""
    for row in report.rows:
        for seed in report.record.seeds:
            cells = [cell for cell in row.cells if cell.seed == seed]
            rates = {metric_name("rate", cell.task): f"{cell.learning_rate:g}" for cell in cells}
            metrics = [point for cell in cells for point in points(ADAPTER, cell, 0, cell.task)]
            tasks = [cell.task for cell in cells]
            if cells:
                own, params = {"method": row.method}, {**row.settings, **rates}
                took = sum(cell.seconds for cell in cells)
                yield child(report.record, row.label, own, params, metrics, tasks, seed, seconds=took)
