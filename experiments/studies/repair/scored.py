"""The scores of repairs, to compare them with another experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.repair.quantities import AVERAGE
from adapter_workbench.experiments.studies.repair.summary import report

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.studies.repair.row import Row
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the average accuracy of each repair, and with nothing done; it is of all tasks together."""
    repairs = report(experiment, document, workspace, brief=True)
    record = repairs.record
    tests = {task: split_key(record.data.get(task), size) for task, size in record.test_sizes.items()}

    def problem(row: Row) -> ProblemScores:
        values = {(cell.stream.seed, cell.stream.tasks): cell.metrics[AVERAGE.name] for cell in row.cells}
        return ProblemScores({at: value for at, value in values.items() if value is not None}, tests)

    return {
        row.label: {AVERAGE.name: MetricScores("higher", {"": problem(row)}, record.scenario)} for row in repairs.rows
    }
