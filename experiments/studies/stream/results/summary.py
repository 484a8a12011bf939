"""From what was measured to what is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.studies.core.planned import planned_family
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.stream.results.baselines import joint_baseline, single_task_baseline
from adapter_workbench.experiments.studies.stream.results.comparison import by_metric, compare
from adapter_workbench.experiments.studies.stream.results.evidence import evidence
from adapter_workbench.experiments.studies.stream.results.final_outcomes import FinalOutcomes
from adapter_workbench.experiments.studies.stream.results.frontier import frontiers
from adapter_workbench.experiments.studies.stream.results.matrix import accuracy_matrix, grid
from adapter_workbench.experiments.studies.stream.results.pairs import declared_pairs, other_pairs
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport
from adapter_workbench.experiments.studies.stream.results.report import Report
from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
from adapter_workbench.experiments.studies.stream.results.unlearned import constant_scores, unlearned
from adapter_workbench.experiments.studies.stream.results.verdict import verdict
from adapter_workbench.workbench.measures.forgetting import Stream, metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.studies.stream.plan.entry import Entry
    from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageOutcome
    from adapter_workbench.workbench.measures.statistics import Array

    Outcomes = Mapping[tuple[str, int, int], list[StageOutcome]]
    Matrices = Mapping[tuple[str, int, int], Array]


def summarise(record: Record, brief: bool = False) -> Report:
    """Return the report on whatever of ``record`` is there; an unfinished stream stays unscored.

    ``brief``: without what compares two strategies.
    """
    learned = _outcomes(record)
    matrices = {
        (label, seed, order): accuracy_matrix(record.orders[order], outcomes, record.last)
        for (label, seed, order), outcomes in learned.items()
    }
    reports = {
        entry.label: tuple(
            ReplicationReport(
                seed,
                order,
                record.orders[order],
                grid(matrices[entry.label, seed, order]),
                _metrics_by_stage(record, entry, seed, order, matrices),
                tuple(learned[entry.label, seed, order]),
                record.since,
                seed in record.planned_seeds(entry.label),
            )
            for seed, order in record.replications
        )
        for entry in record.entries
    }
    finals = FinalOutcomes(record)

    declared = {} if brief else declared_pairs(record)
    compared = dict(zip(declared, compare(finals, declared.items(), reports), strict=True))
    family = by_metric(
        compared, lambda name, gaps: planned_family(gaps, record.declared_test, record.settled.get(name, {}), declared)
    )
    constants = constant_scores(record.tasks, record.majority)
    everything = [
        StrategyReport(
            entry,
            reports[entry.label],
            record.tasks,
            *_baselines(record, entry),
            family.get(entry.label, {}),
            unlearned([test for test in record.doubtful if test.label == entry.label], constants),
        )
        for entry in record.entries
    ]
    strategies = tuple(strategy for strategy in everything if strategy.entry.frontier is None)
    others = tuple(strategy for strategy in everything if strategy.entry.frontier is not None)
    labels, margin = [strategy.label for strategy in strategies], record.declared_test.margin
    pairs = () if brief else other_pairs(finals, labels, declared, reports, margin)
    drawn = frontiers(strategies, others, record.tunings)
    words = verdict(record, strategies), tuple(evidence(record, strategies))
    return Report(record, strategies, others, pairs, drawn, *words)


def _outcomes(record: Record) -> Outcomes:
    """Return what was recorded, by label, seed and order, in the order of the stages."""
    by_replication: dict[tuple[str, int, int], list[StageOutcome]] = {
        (entry.label, seed, order): [] for entry in record.entries for seed, order in record.replications
    }
    for outcome in sorted(record.outcomes, key=lambda outcome: outcome.stage):
        by_replication.get((outcome.label, outcome.seed, outcome.order), []).append(outcome)
    return by_replication


def _metrics_by_stage(
    record: Record, entry: Entry, seed: int, order: int, matrices: Matrices
) -> tuple[Mapping[str, float | None], ...]:
    """Return the metrics after each stage of a replication."""
    single, joint = _baselines(record, entry)
    columns = [record.tasks.index(task) for task in record.orders[order]]  # what the record has in the recipe's order
    stream = Stream(
        matrices[entry.label, seed, order],
        np.array(record.test_sizes, dtype=float)[columns],
        np.array(record.majority, dtype=float)[columns],
        single=np.diagonal(matrices[single, seed, order], offset=-1) if single else None,
        joint=matrices[joint, seed, order][-1] if joint else None,
        since=None if record.since is None else np.array(record.since),
    )
    return tuple(metrics(stream.until(stage)) for stage in range(1, record.last + 1))


def _baselines(record: Record, entry: Entry) -> tuple[str | None, str | None]:
    return single_task_baseline(record, entry), joint_baseline(record, entry)


report = reported(Record, lambda record, workspace, brief: summarise(record, brief))
