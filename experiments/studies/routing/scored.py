"""The scores of a comparison of routers, to compare it with another experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.routing.record import RoutingRecord
from adapter_workbench.workbench.measures.granularity import score_step

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.reporting.scored import Replication, Scores
    from adapter_workbench.experiments.studies.routing.outcome import RoutingOutcome
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the accuracy of each entry: it is of all tasks together, since each text may go to any of them."""
    record = RoutingRecord.read(experiment, document, workspace)
    outcomes: dict[str, dict[Replication, RoutingOutcome]] = {entry.label: {} for entry in record.entries}
    for cell in record.cells:
        outcomes[cell.label][cell.seed, ()] = cell.outcome
    return {
        label: {"accuracy": MetricScores("higher", {"": _problem(record, own)} if own else {})}
        for label, own in outcomes.items()
    }


def _problem(record: RoutingRecord, outcomes: dict[Replication, RoutingOutcome]) -> ProblemScores:
    sizes = [*map(len, next(iter(outcomes.values())).correct)]

    def examples(replication: Replication, task: str) -> pd.Series | None:
        import pandas as pd

        return pd.Series(outcomes[replication].scores[record.tasks.index(task)])

    tests = {task: split_key(record.data.get(task), size) for task, size in zip(record.tasks, sizes, strict=True)}
    values = {replication: outcome.accuracy for replication, outcome in outcomes.items()}
    return ProblemScores(values, tests, examples, score_step(sizes))
