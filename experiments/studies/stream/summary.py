"""From what was measured to what is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.studies.stream.baselines import joint_baseline, single_task_baseline
from experiments.studies.stream.comparison import compare
from experiments.studies.stream.cost import probe_series, total_cost
from experiments.studies.stream.final_outcomes import FinalOutcomes
from experiments.studies.stream.frontier import frontiers
from experiments.studies.stream.matrix import (
    accuracy_matrix,
    count_statuses,
    finished_stages,
    grid,
    mean_grid,
    shared_statuses,
    statuses,
)
from experiments.studies.stream.pairs import all_pairs
from experiments.studies.stream.reading import read_record
from experiments.studies.stream.replication_report import ReplicationReport
from experiments.studies.stream.replications import over_replications, replications
from experiments.studies.stream.report import Report
from experiments.studies.stream.strategy_report import StrategyReport
from experiments.studies.stream.verdict import verdict
from workbench.forgetting import METRICS, Stream, metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.studies.stream.record import Contender, Record
    from experiments.workspace import RecordDocument, Workspace
    from workbench.statistics import Array

    Matrices = Mapping[tuple[str, int, int], Array]
    Replications = Mapping[str, tuple[ReplicationReport, ...]]

__all__ = ["Report", "summarise"]


def report(experiment: str, document: RecordDocument, workspace: Workspace, brief: bool = False) -> Report:
    """Return the report on what the pieces of a stream have left; see :meth:`experiments.engine.study.Study`."""
    return summarise(read_record(experiment, document, workspace), brief)


def summarise(record: Record, brief: bool = False) -> Report:
    """Return the report on whatever of ``record`` is there; an unfinished stream stays unscored.

    ``brief``: without what compares two strategies.
    """
    matrices = {
        (contender.label, seed, order): accuracy_matrix(
            record.orders[order], finished_stages(record, contender.label, seed, order)
        )
        for contender in record.contenders
        for seed, order in replications(record)
    }
    reports = {
        contender.label: tuple(
            _replication(record, contender, seed, order, matrices) for seed, order in replications(record)
        )
        for contender in record.contenders
    }
    outcomes = FinalOutcomes(record)
    everything = [_strategy(outcomes, contender, reports, matrices, brief) for contender in record.contenders]
    strategies = tuple(one for one in everything if one.contender.frontier is None)
    others = tuple(one for one in everything if one.contender.frontier is not None)
    pairs = () if brief else all_pairs(outcomes, [one.label for one in strategies], reports)
    return Report(record, strategies, others, pairs, frontiers(strategies, others), verdict(record, strategies))


def _replication(record: Record, contender: Contender, seed: int, order: int, matrices: Matrices) -> ReplicationReport:
    single, joint = single_task_baseline(record, contender), joint_baseline(record, contender)
    matrix, tasks = matrices[contender.label, seed, order], record.orders[order]
    columns = [record.tasks.index(task) for task in tasks]  # what the record has in the recipe's order
    stream = Stream(
        matrix,
        np.array(record.test_sizes, dtype=float)[columns],
        np.array(record.majority, dtype=float)[columns],
        single=np.diagonal(matrices[single, seed, order], offset=-1) if single else None,
        joint=matrices[joint, seed, order][-1] if joint else None,
    )
    outcomes = finished_stages(record, contender.label, seed, order)
    return ReplicationReport(
        seed,
        order,
        tasks,
        sum(outcome.stage > 0 for outcome in outcomes),
        grid(matrix),
        statuses(tasks, outcomes),
        metrics(stream),
        tuple(metrics(stream.until(stage)) for stage in range(1, len(tasks) + 1)),
        tuple(outcomes),
    )


def _strategy(
    outcomes: FinalOutcomes, contender: Contender, reports: Replications, matrices: Matrices, brief: bool
) -> StrategyReport:
    record, own = outcomes.record, reports[contender.label]
    seeds = [one.seed for one in own]
    compared = (
        not brief and record.reference in reports and contender.label != record.reference and contender.frontier is None
    )
    return StrategyReport(
        contender,
        own,
        mean_grid([matrices[contender.label, seed, 0] for seed in record.seeds]),
        shared_statuses([one.statuses for one in own if one.order == 0]),
        count_statuses(one.statuses for one in own),
        {metric.name: over_replications((one.metrics[metric.name] for one in own), seeds) for metric in METRICS},
        total_cost([one.outcomes for one in own]),
        probe_series(own, len(record.tasks)),
        single_task_baseline(record, contender),
        joint_baseline(record, contender),
        compare(outcomes, contender.label, record.reference, reports) if compared else None,
    )
