"""The scores of a comparison of ways of updating, to compare it with another experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.examples import scores_by_example
from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.updates.measures import SCORE
from adapter_workbench.experiments.studies.updates.record import UpdatesRecord
from adapter_workbench.workbench.measures.granularity import score_step

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.reporting.scored import Replication, Scores
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the score of the last version of each entry; each task is a problem."""
    record = UpdatesRecord.read(experiment, document, workspace)
    fits: dict[str, dict[str, dict[Replication, FittedAdapter]]] = {entry.label: {} for entry in record.entries}
    for cell in record.cells:
        if cell.version == record.versions:
            fits[cell.label].setdefault(cell.task, {})[cell.seed, ()] = cell.fitted
    return {
        label: {
            SCORE: MetricScores("higher", {task: _problem(record, task, of, workspace) for task, of in by_task.items()})
        }
        for label, by_task in fits.items()
    }


def _problem(
    record: UpdatesRecord, task: str, fits: dict[Replication, FittedAdapter], workspace: Workspace
) -> ProblemScores:
    tested = workspace.evaluations.require(next(iter(fits.values())).evaluation)
    tested_periods = record.periods[task][: record.versions]  # a family may have more periods than there are versions
    known = [record.data[period] for period in tested_periods if period in record.data]
    data = " ".join(known) if len(known) == len(tested_periods) else None

    def examples(replication: Replication, _: str) -> pd.Series | None:
        fitted = fits[replication]
        return scores_by_example(workspace.evaluations.require_outcomes(fitted.evaluation), fitted.score)

    values = {replication: fitted.score for replication, fitted in fits.items()}
    step = score_step([tested.examples])
    return ProblemScores(values, {task: split_key(data, tested.examples)}, examples, step)
