"""The scores of some answers, each with its 95 % interval over the examples where it has one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.workbench.measures.example_intervals import bootstrap, wilson
from adapter_workbench.workbench.measures.label_counts import macro_f1
from adapter_workbench.workbench.measures.statistics import Interval, finite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from adapter_workbench.workbench.measures.label_counts import LabelCounts
    from adapter_workbench.workbench.measures.statistics import Array

MEANS = {"accuracy": "correct", "exact_match": "correct"}  # score → the column that it is the mean of
MOST = 2**24  # numbers of counts; of more, sums are not drawn again


def with_intervals(
    scores: Mapping[str, float], outcomes: pd.DataFrame, counts: LabelCounts | None
) -> dict[str, Interval]:
    """Return each score with its interval; bounds are None where there is none.

    A share of examples has Wilson's interval, all other means and what follows from sums have a bootstrap over
    examples. ``macro_f1`` is the mean over the labels that are there or given: a file need not have all of them.

    Args:
        scores: by name, as :meth:`adapter_workbench.workbench.methods.kind.Kind.scores` returns them.
        outcomes: of the examples, as :meth:`adapter_workbench.workbench.methods.kind.Kind.outcomes` returns them.
        counts: of the labels, if the kind has any.
    """
    ways = _ways(outcomes, counts)
    known = {name: ways[name]() if name in ways else _mean(name, score, outcomes) for name, score in scores.items()}
    if counts is None:
        return known
    if "macro_f1" in known or "words" in outcomes:
        known["macro_f1"] = (
            ways["macro_f1"]() if "macro_f1" in ways else Interval(macro_f1(counts.scores()), None, None)
        )
    return known


def _ways(outcomes: pd.DataFrame, counts: LabelCounts | None) -> dict[str, Callable[[], Interval]]:
    """Return how scores that are no means over examples are resampled, by name."""
    ways: dict[str, Callable[[], Interval]] = {}
    ones = np.ones(len(outcomes), dtype=np.int64)
    if "value" in outcomes:
        error, value = (outcomes[name].to_numpy(dtype=float) for name in ("error", "value"))
        centred = value - value.mean()  # else squares of large values hide their differences
        sums = np.stack([error**2, centred, centred**2, np.abs(error), np.ones_like(error)], axis=1)
        ways = {name: partial(bootstrap, sums, ones, way) for name, way in NUMBERS.items()}
    if "words" in outcomes:
        words = outcomes[["right", "words"]].to_numpy(dtype=float)
        ways["accuracy"] = partial(bootstrap, words, ones, lambda sums: np.asarray(sums[:, 0] / sums[:, 1]))
        ways |= {} if "hits" in outcomes else {"score": ways["accuracy"]}
    if counts is None or counts.wanted.size * 3 > MOST:
        return ways
    by_label = np.concatenate([counts.hits, counts.given, counts.wanted], axis=1).astype(float)  # (rows, 3 · labels)
    labels = {name: partial(bootstrap, by_label, counts.times, way) for name, way in LABELS.items()}
    if "hits" in outcomes:  # entities: their F1 is the main score
        labels["score"] = labels["entity_f1"] = labels["micro_f1"]
    return labels | ways


def _r2(sums: Array) -> Array:
    """Return 1 − Σ error² ÷ (Σ y² − (Σ y)² ÷ n)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - sums[:, 0] / (sums[:, 2] - sums[:, 1] ** 2 / sums[:, 4]))


NUMBERS: dict[str, Callable[[Array], Array]] = {
    "r2": _r2,
    "mae": lambda sums: np.asarray(sums[:, 3] / sums[:, 4]),
    "rmse": lambda sums: np.asarray(np.sqrt(sums[:, 0] / sums[:, 4])),
}


def _macro(sums: Array) -> Array:
    """Return the mean F1 of the labels that are there or given."""
    hits, predicted, right = np.split(sums, 3, axis=1)  # (resamples, labels) each
    known = predicted + right > 0
    f1 = np.divide(2 * hits, predicted + right, out=np.zeros_like(hits, dtype=float), where=known)
    return np.asarray(f1.sum(axis=1) / known.sum(axis=1))


def _ratio(reduce: Callable[[Array], Array], denominator: Callable[[Array, Array], Array]) -> Callable[[Array], Array]:
    def share(sums: Array) -> Array:
        hits, predicted, right = (reduce(counts) for counts in np.split(sums, 3, axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(hits / denominator(predicted, right))

    return share


def _total(counts: Array) -> Array:
    return np.asarray(counts.sum(axis=1))


LABELS: dict[str, Callable[[Array], Array]] = {
    "macro_f1": _macro,
    "micro_f1": _ratio(_total, lambda predicted, right: np.asarray((predicted + right) / 2)),
    "precision": _ratio(_total, lambda predicted, right: predicted),
    "recall": _ratio(_total, lambda predicted, right: right),
}


def _mean(name: str, score: float, outcomes: pd.DataFrame) -> Interval:
    """Return a score with the interval of the mean that it is; without bounds where it is none."""
    column = name if name in outcomes else MEANS.get(name)
    if column is None or column not in outcomes:
        return Interval(finite(score), None, None)
    values = outcomes[column].to_numpy(dtype=float)
    if np.isin(values, (0.0, 1.0)).all():
        return wilson(int(values.sum()), len(values))
    sums = np.stack([values, np.ones_like(values)], axis=1)
    return bootstrap(sums, np.ones(len(values), dtype=np.int64), lambda drawn: np.asarray(drawn[:, 0] / drawn[:, 1]))
