"""Over which replications a strategy is compared with the reference, and the scores of both over just these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.replications import over_replications
from adapter_workbench.experiments.reporting.wording import plural

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.workbench.measures.statistics import Interval


def paired_in(ours: StrategyReport) -> int:
    """Return how many replications both sides have finished."""
    return sum(value is not None for value in ours.differences["average_accuracy"].seeds.values)


def positions(ours: StrategyReport, metric: str) -> tuple[int, ...]:
    """Return which replications the difference in a metric is taken over, by their place in the report."""
    values = ours.differences[metric].seeds.values
    return tuple(position for position, value in enumerate(values) if value is not None)


def compared(side: StrategyReport, ours: StrategyReport, metric: str) -> Interval:
    """Return a metric of one side over the replications that the difference of ``ours`` is taken over."""
    taken, values = positions(ours, metric), side.metrics[metric].values
    seeds = [ours.replications[position].seed for position in taken]
    return over_replications([values[position] for position in taken], seeds)


def planned_in_words(record: Record, paired: int) -> str:
    """Return ``3 seeds``, ``2 of 3 seeds so far`` or ``one seed``: what a comparison rests on."""
    planned = paired if record.verdicts_after and paired > 1 else len(record.replications)
    if planned != len(record.replications):
        return plural(paired, "seed")
    if paired == planned and planned > 1:
        return record.replicated
    noun = "seed" if record.orders_of_a_seed == 1 else "replication"
    if paired == 1:
        return f"one {noun}" if planned == 1 else f"one of {planned} {noun}s so far"
    return f"{paired} of {plural(planned, noun)} so far"
