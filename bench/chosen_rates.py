"""The rule by which default learning rates are chosen, the same for every method.

Of all that were tried it is the smallest whose validation score is within one standard error of the best one (paired
over tasks and seeds; Breiman et al. 1984, § 3.4.3): of learning rates that teach alike, the one that disturbs least.
"""

from __future__ import annotations

from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

TaskAndSeed = tuple[str, int]  # task and seed


def summarise(scores: Iterable[tuple[str, float, TaskAndSeed, float]]) -> dict[str, Any]:
    """Return the mean score by label and learning rate, and the choice for each label whose grid is complete.

    Args:
        scores: whose it is, learning rate, task and seed, validation score.
    """
    grids: dict[str, dict[float, dict[TaskAndSeed, float]]] = {}
    for label, rate, pair, score in scores:
        grids.setdefault(label, {}).setdefault(rate, {})[pair] = score
    means = {
        label: {f"{rate:g}": round(fmean(by_pair.values()), 4) for rate, by_pair in sorted(rates.items())}
        for label, rates in grids.items()
    }
    return {"means": means, "chosen": {label: choose(rates) for label, rates in grids.items() if _complete(rates)}}


def choose(scores: dict[float, dict[TaskAndSeed, float]]) -> float:
    """Return the smallest learning rate within one standard error of the best one.

    Args:
        scores: learning rate → (task, seed) → validation score; the same tasks and seeds for every learning rate.
    """
    best = max(scores, key=lambda rate: fmean(scores[rate].values()))
    for rate in sorted(scores):
        gaps = [scores[best][pair] - score for pair, score in scores[rate].items()]
        if fmean(gaps) <= stdev(gaps) / len(gaps) ** 0.5:
            return rate
    return best


def _complete(rates: dict[float, dict[TaskAndSeed, float]]) -> bool:
    return len({frozenset(by_pair) for by_pair in rates.values()}) == 1 and len(next(iter(rates.values()))) > 1
