"""The scores of a stream, to compare it with another experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, of_no_examples, split_key
from adapter_workbench.experiments.studies.stream.results import summary
from adapter_workbench.experiments.studies.stream.results.comparison import COMPARED, FinalOutcomes, step_of
from adapter_workbench.experiments.studies.stream.results.quantities import BETTER

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.reporting.scored import Replication, Scores
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

OVER_EXAMPLES = "average_accuracy"  # the one metric that is a mean over test examples


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the metrics that a stream's report compares, of each entry of its recipe."""
    return scores_in(summary.report(experiment, document, workspace, brief=True))


def scores_in(report: Report) -> Scores:
    """Return the same of a report."""
    outcomes = FinalOutcomes(report.record)
    return {
        strategy.label: {name: _metric(name, strategy, outcomes) for name in COMPARED} for strategy in report.strategies
    }


def _metric(name: str, strategy: StrategyReport, outcomes: FinalOutcomes) -> MetricScores:
    """Return one metric: it is of all tasks together, in the order in which they were learned."""
    replications = {(replication.seed, replication.tasks): replication for replication in strategy.replications}
    values = {
        key: value for key, replication in replications.items() if (value := replication.metrics[name]) is not None
    }

    def examples(key: Replication, task: str) -> pd.Series | None:
        return outcomes.of_task(strategy.label, replications[key], task)

    read = examples if name == OVER_EXAMPLES else of_no_examples
    step = step_of(outcomes.record, name)
    problems = (
        {"": ProblemScores(values, _tests(outcomes.record), read, step, outcomes.record.shared_texts)} if values else {}
    )
    return MetricScores(BETTER[name], problems, outcomes.record.scenario)


def _tests(record: Record) -> dict[str, str | None]:
    sizes = zip(record.tasks, record.test_sizes, strict=True)
    return {task: split_key(record.data.get(task), size) for task, size in sizes}
