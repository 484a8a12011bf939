"""From what was measured to what is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.report.baselines import joint_baseline, single_task_baseline
from experiments.report.comparison import compare
from experiments.report.cost import probe_series, total_cost
from experiments.report.document import Report, SeedReport, StrategyReport
from experiments.report.matrix import (
    accuracy_matrix,
    count_statuses,
    finished_stages,
    grid,
    mean_grid,
    shared_statuses,
    statuses,
)
from experiments.report.verdict import verdict
from workbench.forgetting import METRICS, Stream, interval, metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.record import Contender, Record
    from workbench.forgetting import Array

__all__ = ["Report", "summarise"]


def summarise(record: Record) -> Report:
    """Return the report on whatever of ``record`` is there; an unfinished stream stays unscored."""
    matrices = {
        (contender.label, seed): accuracy_matrix(record, finished_stages(record, contender.label, seed))
        for contender in record.contenders
        for seed in record.seeds
    }
    seeds = {
        contender.label: tuple(_seed_report(record, contender, seed, matrices) for seed in record.seeds)
        for contender in record.contenders
    }
    strategies = tuple(_strategy_report(record, contender, seeds, matrices) for contender in record.contenders)
    return Report(record, strategies, verdict(record, strategies))


def _seed_report(
    record: Record, contender: Contender, seed: int, matrices: Mapping[tuple[str, int], Array]
) -> SeedReport:
    single, joint = single_task_baseline(record, contender), joint_baseline(record, contender)
    matrix = matrices[contender.label, seed]
    stream = Stream(
        matrix,
        np.array(record.test_sizes, dtype=float),
        np.array(record.majority, dtype=float),
        single=np.diagonal(matrices[single, seed], offset=-1) if single else None,
        joint=matrices[joint, seed][-1] if joint else None,
    )
    outcomes = finished_stages(record, contender.label, seed)
    return SeedReport(
        seed,
        sum(outcome.stage > 0 for outcome in outcomes),
        grid(matrix),
        statuses(record, outcomes),
        metrics(stream),
        tuple(outcomes),
    )


def _strategy_report(
    record: Record,
    contender: Contender,
    reports: Mapping[str, tuple[SeedReport, ...]],
    matrices: Mapping[tuple[str, int], Array],
) -> StrategyReport:
    seeds = reports[contender.label]
    compared = record.reference in reports and contender.label != record.reference
    return StrategyReport(
        contender,
        seeds,
        mean_grid([matrices[contender.label, seed] for seed in record.seeds]),
        shared_statuses([seed.statuses for seed in seeds]),
        count_statuses(seed.statuses for seed in seeds),
        {metric.name: interval(seed.metrics[metric.name] for seed in seeds) for metric in METRICS},
        total_cost([seed.outcomes for seed in seeds]),
        probe_series([seed.outcomes for seed in seeds], len(record.tasks)),
        single_task_baseline(record, contender),
        joint_baseline(record, contender),
        compare(record, contender.label, record.reference, reports) if compared else None,
    )
