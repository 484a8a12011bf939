"""The scores of a comparison of methods, to compare it with another experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.examples import scores_by_example
from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.methods.record import ComparisonRecord
from adapter_workbench.workbench.measures.granularity import score_step

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.reporting.scored import Replication, Scores
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the test score of each method; each task is a problem."""
    record = ComparisonRecord.read(experiment, document, workspace)
    cells: dict[str, dict[str, dict[Replication, FittedAdapter]]] = {entry.label: {} for entry in record.entries}
    for cell in record.cells:
        cells[cell.label].setdefault(cell.task, {})[cell.seed, ()] = cell
    return {
        label: {
            "score": MetricScores(
                "higher", {task: _problem(record, task, own, workspace) for task, own in by_task.items()}
            )
        }
        for label, by_task in cells.items()
    }


def _problem(
    record: ComparisonRecord, task: str, cells: dict[Replication, FittedAdapter], workspace: Workspace
) -> ProblemScores:
    tested = workspace.evaluations.require(next(iter(cells.values())).evaluation)

    def examples(replication: Replication, _: str) -> pd.Series | None:
        cell = cells[replication]
        return scores_by_example(workspace.evaluations.require_outcomes(cell.evaluation), cell.score)

    values = {replication: cell.score for replication, cell in cells.items()}
    step = score_step([tested.examples])
    tests = {task: split_key(record.data.get(task), tested.examples)}
    return ProblemScores(values, tests, examples, step, {task: record.shared_texts.get(task, {})})
