"""A record into a report: what each task lost from the first stage to the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.examples import scores_by_example
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.watched.change import ScoreChange, changes
from adapter_workbench.experiments.studies.watched.record import WatchedRecord
from adapter_workbench.experiments.studies.watched.report import WatchedReport

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.workspace import Workspace


def summarise(record: WatchedRecord, workspace: Workspace, brief: bool = False) -> WatchedReport:
    """Return the report on a training as far as it has come; ``brief``: without what compares two stages."""
    changes = () if brief or len(record.stages) < 2 else tuple(_changes(record, workspace))
    return WatchedReport(record, changes)


def _changes(record: WatchedRecord, workspace: Workspace) -> list[ScoreChange]:
    first, last = record.stages[0], record.stages[-1]

    def examples(task: str, stage: int) -> pd.Series | None:
        key = record.stages[stage].evaluations.get(task)
        score = record.stages[stage].scores.get(task)
        return None if key is None else scores_by_example(workspace.evaluations.outcomes(key), score)

    both = {task: (first.scores[task], last.scores[task]) for task in record.tasks if _measured(record, task)}
    return changes({task: (*scores, examples(task, 0), examples(task, -1)) for task, scores in both.items()})


def _measured(record: WatchedRecord, task: str) -> bool:
    return task in record.stages[0].scores and task in record.stages[-1].scores


report = reported(WatchedRecord, summarise)
