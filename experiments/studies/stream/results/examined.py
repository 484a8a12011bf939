"""What checkpoints lost and gained, task by task: the last against the first, on the same test examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.reporting.examples import ExamplePair, paired_outcomes, scores_by_example
from adapter_workbench.experiments.reporting.replications import seed_means
from adapter_workbench.workbench.measures.declared_tests import paired
from adapter_workbench.workbench.measures.granularity import least_spread, score_step
from adapter_workbench.workbench.measures.paired_scores import Reading, chance_of_none, drop, reading
from adapter_workbench.workbench.measures.seeds_and_examples import example_variance, over_seeds_and_examples
from adapter_workbench.workbench.measures.statistics import Interval, holm, mean_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.reporting.examples import PairedOutcomes
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.workbench.measures.statistics import Array

REFIT, TEXT_PROBE = "head-refit", "general-loss"
HIDDEN_SHARE = 0.5  # of a loss; from here on most of it is the head's, and the features still have it


@dataclass(frozen=True)
class ExaminedChange:
    """What became of one task between the first checkpoint and the last, mean over seeds."""

    label: str
    task: str
    way: str  # how it was answered (`_ways.Way`)
    first: float  # score at the first checkpoint
    best: float  # the highest score of any checkpoint before the last
    last: float  # score at the last one
    # last − first with its interval: over seeds and test examples, or over examples where there is one seed
    change: Interval
    p: float | None  # of no change, not adjusted; None where it cannot be told
    seeds: int  # how many were measured
    adjusted: float | None = None  # p after Holm over the tasks
    # what heads fitted anew on the features lost, by the probe ``head-refit``; None without it
    refitted: float | None = None

    @property
    def reading(self) -> Reading:
        """``lost``, ``gained``, or ``undecided``: at the level 0.05 after Holm."""
        return reading(None if self.change.mean is None else -self.change.mean, self.adjusted)

    @property
    def is_hidden(self) -> bool:
        """Whether at least half of what a task lost is still in the features: a new head has it."""
        lost = self.first - self.last
        return self.reading == "lost" and self.refitted is not None and self.refitted <= HIDDEN_SHARE * lost

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``examined`` in ``report --json``; scores in [0, 1]."""
        return {
            "task": self.task,
            "way": self.way,
            "first": self.first,
            "best": self.best,
            "last": self.last,
            "change": self.change.mean,
            "low": self.change.low,
            "high": self.change.high,
            "p": self.p,
            "p_adjusted": self.adjusted,
            "seeds": self.seeds,
            "reading": self.reading,
            "refitted_lost": self.refitted,
            "hidden": self.is_hidden,
        }


def examined(record: Record, strategy: StrategyReport) -> tuple[ExaminedChange, ...]:
    """Return the change of each task whose answers at both ends are there, in the recipe's order."""
    if not record.examined or record.checkpoints.get(strategy.label) is None:
        return ()
    changes = [change for task in record.tasks for change in _of_task(record, strategy, task)]
    chances = holm([change.p for change in changes])
    return tuple(replace(change, adjusted=p) for change, p in zip(changes, chances, strict=True))


def majority_of(record: Record, task: str) -> float:
    """Return the score of always giving the most frequent answer to a task."""
    return record.majority[record.tasks.index(task)]


def text_losses(strategy: StrategyReport) -> tuple[float, float] | None:
    """Return the loss on general text at the first and the last checkpoint, means over seeds, in nats a token.

    None where the probe ``general-loss`` was not measured at both.
    """
    finished = [replication for replication in strategy.replications if replication.complete]
    then, now = (
        _mean([replication.probed(TEXT_PROBE, "loss", stage(replication)) for replication in finished])
        for stage in (_start, _end)
    )
    return None if then is None or now is None else (then, now)


def _start(_: ReplicationReport) -> int:
    return 0


def _end(replication: ReplicationReport) -> int:
    return replication.last


def _of_task(record: Record, strategy: StrategyReport, task: str) -> Iterator[ExaminedChange]:
    finished = [replication for replication in strategy.replications if replication.complete]
    rows = [_column(replication, task) for replication in finished]
    ends = [(row[0], row[-1]) for row in rows]
    gains = [last - first for first, last in ends if first is not None and last is not None]
    pairs = [
        ExamplePair(
            replication.seed,
            scores_by_example(record.first_examples.get(key), row[0]),
            scores_by_example(record.examples.get(key), row[-1]),
        )
        for replication, row in zip(finished, rows, strict=True)
        for key in [(strategy.label, replication.seed, replication.order, task)]
    ]
    if len(gains) < len(rows) or not rows:
        return
    first, best, last = (_mean([pick(row) for row in rows]) for pick in (_first, _best, _last))
    assert first is not None
    assert best is not None
    assert last is not None
    of_seeds = seed_means(gains, [replication.seed for replication in finished])
    step = score_step([record.test_sizes[record.tasks.index(task)]])
    change, p = change_over(of_seeds, paired_outcomes(pairs), least_spread(step))
    refitted = _mean([_refitted(replication, task) for replication in finished])
    way = record.ways[strategy.label][task]
    yield ExaminedChange(strategy.label, task, way, first, best, last, change, p, len(of_seeds), refitted=refitted)


def change_over(
    gains: Sequence[float | None], outcomes: PairedOutcomes | None, floor: float | None
) -> tuple[Interval, float | None]:
    """Return the mean gain with its 95 % interval, and the p of none.

    One seed is tested over test examples, as :func:`drop` and ``chance_of_none`` say:
    this is of that checkpoint alone. Several are tested over seeds, with the variance of the examples added.

    Args:
        gains: last − first, one a seed; at least one.
        outcomes: the scores of the first and of the last checkpoint by example; None where they are not known.
        floor: the least standard deviation of a gain (:func:`least_spread`).
    """
    estimate = paired(gains, floor)
    if estimate is None:
        return _over_examples(*outcomes.mean_over_seeds) if outcomes else (Interval(gains[0], None, None), None)
    if outcomes and len(outcomes.ids) > 1:
        estimate, _ = over_seeds_and_examples(estimate, example_variance([outcomes.second - outcomes.first]))
    return estimate.interval(), estimate.p


def _over_examples(first: Array, last: Array) -> tuple[Interval, float | None]:
    lost = drop(first, last)
    low, high = (None if bound is None else -bound for bound in (lost.high, lost.low))
    return Interval(None if lost.mean is None else -lost.mean, low, high), chance_of_none(first, last)


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None where a value is missing."""
    return mean_of(np.array(values, dtype=float))


def _column(replication: ReplicationReport, task: str) -> Sequence[float | None]:
    column = replication.tasks.index(task)
    return [row[column] for row in replication.matrix]


def _first(row: Sequence[float | None]) -> float | None:
    return row[0]


def _last(row: Sequence[float | None]) -> float | None:
    return row[-1]


def _best(row: Sequence[float | None]) -> float | None:
    return max((score for score in row[:-1] if score is not None), default=None)


def _refitted(replication: ReplicationReport, task: str) -> float | None:
    """Return by how much a head fitted anew is worse at the last checkpoint than at the first."""
    then, now = (replication.probed(REFIT, f"{task}/refitted", stage) for stage in (0, replication.last))
    return None if then is None or now is None else then - now
