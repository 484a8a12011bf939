"""How fast new tasks are learned: whether earlier tasks speed up a fit, whatever score it ends with.

Of the fit on task j, V[j, e] is the validation score after epoch e, whichever epoch is kept. All numbers are means over
the tasks from the second on, since the first has nothing before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.replications import over_replications

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.workbench.measures.statistics import Interval

    Curve = Sequence[float]
    Curves = Mapping[str, Curve]


@dataclass(frozen=True)
class Beginning:
    """How one strategy's fits went from epoch to epoch, beside those of another one.

    Attributes:
        first: mean of V[j, 1].
        area: mean of V[j, e] over epochs: the area under the learning curve, on a scale of epochs from 0 to 1.
        gained: ``area`` − the other's, paired by seed and order; None for the other one itself.
        epochs: mean of the first epoch in which V[j, e] is at least the other's best on that task, one more than there
            were epochs where it never was.
    """

    first: Interval
    area: Interval
    gained: Interval | None
    epochs: Interval

    def as_json(self) -> dict[str, Any]:
        """Return each number with its mean, interval and values; null where there is nothing to compare."""
        return {
            "first_epoch": self.first.as_json(),
            "area": self.area.as_json(),
            "area_gained": self.gained and self.gained.as_json(),
            "epochs_to_reference": self.epochs.as_json(),
        }


def beginnings(strategies: Sequence[StrategyReport], reference: str) -> dict[str, Beginning]:
    """Return how the fits of each strategy went, by label; only where all of them and the reference's are known."""
    curves = {strategy.label: [*map(_curves, strategy.replications)] for strategy in strategies}
    other = curves.get(reference, [])
    if not other or not all(other):
        return {}
    return {
        strategy.label: _beginning(strategy, curves[strategy.label], other, reference)
        for strategy in strategies
        if all(curves[strategy.label])
    }


def _beginning(strategy: StrategyReport, own: Sequence[Curves], other: Sequence[Curves], reference: str) -> Beginning:
    seeds = [replication.seed for replication in strategy.replications]

    def over(read: Callable[[Curve], float], of: Sequence[Curves]) -> list[float]:
        return [fmean(map(read, curves.values())) for curves in of]

    areas, others = over(fmean, own), over(fmean, other)
    gained = [ours - theirs for ours, theirs in zip(areas, others, strict=True)]
    waits = [
        fmean(_reached(curve, max(theirs[task])) for task, curve in ours.items())
        for ours, theirs in zip(own, other, strict=True)
    ]
    return Beginning(
        over_replications(over(lambda curve: curve[0], own), seeds),
        over_replications(areas, seeds),
        None if strategy.label == reference else over_replications(gained, seeds),
        over_replications(waits, seeds),
    )


def _curves(replication: ReplicationReport) -> Curves:
    """Return V of each task from the second on; nothing where a fit is missing, or had no epochs."""
    curves = {outcome.task: outcome.curve for outcome in replication.outcomes if outcome.stage > 1}
    whole = set(curves) == set(replication.tasks[1:]) and all(curves.values())
    return curves if whole else {}


def _reached(curve: Curve, score: float) -> float:
    return next((epoch for epoch, value in enumerate(curve, start=1) if value >= score), len(curve) + 1)
