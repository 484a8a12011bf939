"""The frontier of stability and plasticity: one strategy at several learning rates, and which one validation picks.

Forgetting depends on the learning rate: at a small one little is learned and little is lost. A strategy is judged
fairly only at the rate that would have been chosen for it without a look at forgetting. Single-task validation chooses
such a rate (Mirzadeh et al., 2020, for how far the rate alone moves forgetting).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.measures.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.experiments.studies.stream.work.tuning import Tuning
    from adapter_workbench.workbench.measures.statistics import Interval

MEASURED = ("learning_accuracy", "forgetting", "average_accuracy")  # in the order of the JSON document


@dataclass(frozen=True)
class Point:
    """A strategy at one learning rate."""

    strategy: StrategyReport  # what is reported of it
    # what a learning rate is picked by: of an entry that tries some, the mean validation score of the rate on the
    # tasks where it was tried; else that right after stage 1, where nothing else had been learned before, over
    # the replications in which every point has got so far. None where there is none.
    validation: float | None

    @property
    def learning_rate(self) -> float:
        """The rate."""
        return float(self.strategy.entry.settings["learning_rate"])

    @property
    def chosen(self) -> bool:
        """Whether this is the rate of the recipe's own entry, which all tables and the verdict are drawn from."""
        return self.strategy.entry.frontier is None

    @property
    def metrics(self) -> Mapping[str, Interval]:
        """Mean and 95 % interval over replications, by name."""
        return self.strategy.metrics

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``frontier`` in ``report --json``."""
        return {
            "label": self.strategy.label,
            "learning_rate": self.learning_rate,
            "chosen": self.chosen,
            "single_task_validation": self.validation,
            **{name: self.metrics[name].as_json() for name in MEASURED},
        }


@dataclass(frozen=True)
class Frontier:
    """The points of one strategy, by rising learning rate."""

    points: tuple[Point, ...]
    tuned: bool = False  # whether the rates are those that the entry tried, before any stream began

    @property
    def picked(self) -> Point | None:
        """The point that single-task validation picks; of equal ones the recipe's own, else the smallest rate."""
        scored = [(point.validation, point.chosen, point) for point in self.points if point.validation is not None]
        if len(scored) < len(self.points) and not self.tuned:
            return None
        return max(scored, key=lambda entry: entry[:2])[2] if scored else None

    @property
    def failed(self) -> tuple[Point, ...]:
        """The points whose learning rate failed when it was tried."""
        return tuple(point for point in self.points if self.tuned and point.validation is None)

    @property
    def chosen(self) -> Point:
        """The recipe's own entry, at the rate that was chosen for it if it was tuned."""
        return next(point for point in self.points if point.chosen)

    def as_json(self) -> list[dict[str, Any]]:
        """Return every point."""
        return [point.as_json() for point in self.points]


def frontiers(
    strategies: Sequence[StrategyReport], others: Sequence[StrategyReport], tunings: Mapping[str, Tuning]
) -> dict[str, Frontier]:
    """Return the frontier of each of ``strategies`` whose other learning rates are among ``others``."""
    by_label = {}
    for strategy in strategies:
        rates = [other for other in others if other.entry.frontier == strategy.label]
        if rates:
            by_label[strategy.label] = _frontier([strategy, *rates], tunings.get(strategy.label))
    return by_label


def _frontier(group: Sequence[StrategyReport], tuning: Tuning | None) -> Frontier:
    scores = _first_stages(group)
    points = [Point(strategy, score) for strategy, score in zip(group, scores, strict=True)]
    if tuning:
        points = [replace(point, validation=tuning.validation(point.learning_rate)) for point in points]
    return Frontier(tuple(sorted(points, key=lambda point: point.learning_rate)), tuned=tuning is not None)


def _first_stages(group: Sequence[StrategyReport]) -> list[float | None]:
    first = [[_single_task_validation(replication) for replication in strategy.replications] for strategy in group]
    common = [index for index, scores in enumerate(zip(*first, strict=True)) if None not in scores]
    return [interval(scores[index] for index in common).mean for scores in first]


def _single_task_validation(replication: ReplicationReport) -> float | None:
    return next((outcome.validation for outcome in replication.outcomes if outcome.stage == 1), None)
