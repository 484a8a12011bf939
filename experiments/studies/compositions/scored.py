"""The scores of a comparison of compositions, to compare it with another experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.examples import scores_by_example
from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, split_key
from adapter_workbench.experiments.studies.compositions.record import FusionRecord
from adapter_workbench.experiments.studies.compositions.result import results_in
from adapter_workbench.workbench.measures.granularity import score_step

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.reporting.scored import Replication, Scores
    from adapter_workbench.experiments.studies.compositions.result import Result
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.experiments.workspace.outcome_folders import OutcomeFolders


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the test score of each entry; each target with each number of examples is a problem."""
    record = FusionRecord.read(experiment, document, workspace)
    results = results_in(workspace)
    keys: dict[str, dict[tuple[str, int], dict[Replication, str]]] = {entry.label: {} for entry in record.entries}
    for cell in record.cells:
        keys[cell.label].setdefault((cell.target, cell.shots), {})[cell.seed, ()] = cell.key
    return {
        label: {
            "score": MetricScores(
                "higher",
                {
                    f"{target}, K = {shots}": _problem(target, record.data.get(target), own, results)
                    for (target, shots), own in by_problem.items()
                },
            )
        }
        for label, by_problem in keys.items()
    }


def _problem(
    target: str, fingerprint: str | None, keys: dict[Replication, str], results: OutcomeFolders[Result]
) -> ProblemScores:
    by_replication = {replication: results.require(key) for replication, key in keys.items()}

    def examples(replication: Replication, _: str) -> pd.Series | None:
        return scores_by_example(results.outcomes(keys[replication]), by_replication[replication].score)

    size = next(iter(by_replication.values())).examples
    values = {replication: result.score for replication, result in by_replication.items()}
    return ProblemScores(values, {target: split_key(fingerprint, size)}, examples, score_step([size]))
