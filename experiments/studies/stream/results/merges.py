"""What each merge of two adapters cost the tasks that it put together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.measures.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport


@dataclass(frozen=True)
class Merge:
    """Adapters that became one at a stage."""

    seed: int  # of the replication
    order: int  # of the replication
    stage: int  # after whose lesson it happened
    parts: tuple[tuple[str, ...], ...]  # the tasks of each adapter before
    # task → its score before − its score after. Of the stage's own task, which was never tested before, that is
    # the score of the isolated adapter that was merged, where the recipe has one; None where it is not known.
    lost: Mapping[str, float | None]

    @property
    def mean(self) -> float | None:
        """What its tasks lost in the mean, as far as it is known."""
        return interval([lost for lost in self.lost.values() if lost is not None]).mean

    def as_json(self) -> dict[str, Any]:
        """Return all of it, and the mean."""
        return {**asdict(self), "mean": self.mean}


def merges(record: Record, strategies: Sequence[StrategyReport], own: StrategyReport) -> tuple[Merge, ...]:
    """Return every merge of one of a report's strategies; none where its tasks do not share adapters."""
    alone = {(replication.seed, replication.order): replication for replication in _isolated(strategies, own)}
    return tuple(
        merge
        for replication in own.replications
        for merge in _merges(record, own.label, replication, alone.get((replication.seed, replication.order)))
    )


def _merges(
    record: Record, label: str, replication: ReplicationReport, alone: ReplicationReport | None
) -> Iterator[Merge]:
    before: tuple[tuple[str, ...], ...] = ()
    for stage, task in enumerate(replication.tasks, start=1):
        groups = record.groups.get((label, replication.seed, replication.order, stage), ())
        candidates = (*before, (task,))
        for group in groups:
            parts = tuple(part for part in candidates if set(part) < set(group))
            if parts:
                lost = {name: _lost(replication, alone, stage, name, new=name == task) for name in group}
                yield Merge(replication.seed, replication.order, stage, parts, lost)
        before = groups


def _lost(
    replication: ReplicationReport, alone: ReplicationReport | None, stage: int, task: str, new: bool
) -> float | None:
    """Return R[stage − 1, task] − R[stage, task]; for a new task, its isolated adapter's score in the first's place."""
    column = replication.tasks.index(task)
    source = alone.matrix[stage] if new and alone else replication.matrix[stage - 1]
    before, after = source[column], replication.matrix[stage][column]
    return None if before is None or after is None or (new and not alone) else before - after


def _isolated(strategies: Sequence[StrategyReport], own: StrategyReport) -> Sequence[ReplicationReport]:
    """Return the replications of the entry that learned the same adapters and merged none."""
    method, settings = own.entry.method, own.entry.settings
    for strategy in strategies:
        other = strategy.entry
        shared = settings.keys() & other.settings.keys()
        same = other.method == method and all(settings[name] == other.settings[name] for name in shared)
        if other.strategy == "isolated" and other.settings.get("init", "fresh") == "fresh" and same:
            return strategy.replications
    return ()
