"""A comparison of ways of updating as MLflow runs: one parent, and one child for each entry and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.presentation import Tracking
from adapter_workbench.experiments.reporting.wording import PERCENT
from adapter_workbench.experiments.studies.core.quantity import points
from adapter_workbench.experiments.studies.core.track import child, parent, settled
from adapter_workbench.experiments.studies.updates.quantities import ADAPTER, METRICS, ROW
from adapter_workbench.experiments.studies.updates.tables import summary
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.updates.record import UpdatesRecord
    from adapter_workbench.experiments.studies.updates.report import UpdatesReport
    from adapter_workbench.experiments.studies.updates.row import Row
    from adapter_workbench.workbench.mlflow.run_record import RunRecord

MOST_TASKS = 4  # whose scores are columns


def tracking(report: UpdatesReport) -> Tracking:
    """Return what MLflow should hold of ``report``."""
    record = report.record
    run = parent(
        report,
        tags={"scenario": record.scenario},
        params={**record.budget, "tasks": ", ".join(record.tasks), "versions": record.versions},
        metrics=(
            point
            for row in report.rows
            for point in settled(
                ROW, row, report, record.versions * len(record.tasks) * len(record.planned_seeds(row.label))
            )
        ),
        children=_children(report),
        view=View(
            ("label", "way", "seed"), tuple(metric_name("version_score", task) for task in record.tasks[:MOST_TASKS])
        ),
        first="score",
    )
    below = f"Test score in {PERCENT.words} after the last version, ± half the 95 % interval over seeds."
    return Tracking(run, summary(report), (below,))


def experiment_note(record: UpdatesRecord) -> str:
    """Return the experiment's description in Markdown, the same for all its runs."""
    return (
        f"Ways of updating an adapter when {escape(', '.join(record.tasks))} change ({escape(record.scenario)}, "
        f"{record.versions} versions), on {escape(record.backbone)}. Each run is one comparison: its description holds "
        "the verdict, its artifacts the report. Below it is a run for each entry and seed, whose steps are versions."
    )


def _of_seed(row: Row, number: int) -> dict[str, float | None]:
    """Return an entry's metrics with one seed, by its position among the seeds: means over tasks."""
    return {name: value.values[number] for name, value in row.metrics.items()}


def _children(report: UpdatesReport) -> Iterator[RunRecord]:
    """Yield a run for each entry and seed that has an adapter; its steps are versions."""
    record = report.record
    for row in report.rows:
        for seed in record.seeds:
            cells = [cell for cell in row.cells if cell.seed == seed]
            tasks = dict.fromkeys(cell.task for cell in cells)
            periods = [period for task in tasks for period in record.periods[task]]
            if cells:
                metrics = [point for cell in cells for point in points(ADAPTER, cell, cell.version, cell.task)]
                metrics += points(METRICS, _of_seed(row, record.seeds.index(seed)), record.versions)
                own, took = {"way": row.way, "method": row.method}, sum(cell.fitted.seconds for cell in cells)
                yield child(record, row.label, own, row.settings, metrics, periods, seed, seconds=took)
