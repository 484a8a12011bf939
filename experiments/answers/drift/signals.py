"""What could differ between held-out rows of a task and new rows: a test for each, adjusted for their number."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.measures.independent_samples import (
    exceedances,
    ranks_differ,
    share_difference,
    share_is_higher,
)
from adapter_workbench.workbench.measures.relabelled_samples import (
    RESAMPLES,
    contrasts,
    distances_between,
    shares_differ,
    shares_moved,
    values_moved,
    vectors_differ,
    vectors_moved,
)
from adapter_workbench.workbench.measures.statistics import holm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.experiments.answers.drift.bounds import DriftBounds
    from adapter_workbench.experiments.answers.drift.sample import Sample
    from adapter_workbench.workbench.measures.statistics import Interval

NAMES = ("answers", "confidence", "features", "elsewhere", "unknown", "accuracy", "labels")  # all signals
ROUNDING = 1e-9  # points by which a share times 100 may be off
UNKNOWN = "none of these labels"
FAR = 0.05  # of rows like the held-out ones, the share that may be farther from all training rows than the bound


@dataclass(frozen=True)
class Signal:
    """One thing that was compared.

    Attributes:
        name: in the JSON document.
        reference: its number for the held-out rows; None where one number does not say it.
        new: the same for the new rows.
        p: of "both are drawn alike"; None where a bound that somebody gave is compared instead.
        adjusted: that p, adjusted for all signals (Holm 1979).
        beyond: whether it is beyond its bound.
        change: new − reference with its 95 % interval, which is not adjusted; None where there is none.
        shares: the share of each label, held-out and new, the largest change first.
        effect: the least share of the new rows that has to be unlike the held-out ones for this to be so, beyond what
            chance makes between two samples of these sizes; None where nobody measured it.
    """

    name: str
    reference: float | None
    new: float | None
    p: float | None
    adjusted: float | None = None
    beyond: bool = False
    change: Interval | None = None
    shares: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    effect: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what there is to be said of it."""
        document: dict[str, Any] = {"reference": self.reference, "new": self.new, "p": self.p}
        document |= {"adjusted": self.adjusted, "beyond": self.beyond, "effect": self.effect}
        if self.change is not None:
            document |= {"low": self.change.low, "high": self.change.high}
        if self.shares:
            document["shares"] = {label: {"reference": old, "new": new} for label, (old, new) in self.shares.items()}
        return document


def compare(reference: Sample, new: Sample, labels: Sequence[str], bounds: DriftBounds) -> tuple[Signal, ...]:
    """Return all signals that there are; those with p are beyond their bound where the adjusted p is below the level.

    Args:
        reference: the held-out rows.
        new: the rows in question.
        labels: of the task; empty where answers are free text or numbers.
        bounds: what is allowed.
    """
    rows = np.concatenate([reference.features, new.features])
    dealt = contrasts(len(reference), len(new), deals_at(bounds.level))
    return compare_dealt(reference, new, labels, bounds, dealt, distances_between(rows, rows))


def compare_dealt(
    reference: Sample,
    new: Sample,
    labels: Sequence[str],
    bounds: DriftBounds,
    dealt: NDArray[np.float32],
    between: NDArray[np.float32],
) -> tuple[Signal, ...]:
    """Return what :func:`compare` does, with what many comparisons share.

    Args:
        reference: the held-out rows.
        new: the rows in question.
        labels: of the task.
        bounds: what is allowed.
        dealt: :func:`contrasts` of so many rows.
        between: distances between all rows, the held-out ones first.
    """
    measurable = [
        _answers(dealt, reference, new, labels),
        _confidence(dealt, reference, new),
        Signal(
            "features",
            None,
            None,
            vectors_differ(dealt, between),
            effect=vectors_moved(reference.features, new.features),
        ),
        _elsewhere(reference, new),
        _far(reference, new),
        *_judged(dealt, reference, new, labels, bounds.max_lost),
    ]
    return with_adjusted([signal for signal in measurable if signal is not None], bounds.level)


def deals_at(level: float) -> int:
    """Return how often a permutation test deals: so often that its smallest p, adjusted, is below the level."""
    return max(RESAMPLES, math.ceil(len(NAMES) / level))


def with_adjusted(signals: Sequence[Signal], level: float) -> tuple[Signal, ...]:
    """Return signals with their adjusted p; those that have one are beyond their bound where it is below ``level``."""
    adjusted = holm([signal.p for signal in signals])
    return tuple(
        signal if p is None else replace(signal, adjusted=p, beyond=p < level)
        for signal, p in zip(signals, adjusted, strict=True)
    )


def label_shares(
    labels: Sequence[str], before: NDArray[np.float64], after: NDArray[np.float64]
) -> dict[str, tuple[float, float]]:
    """Return label → its share in both samples, the largest change first; labels that nobody has are left out."""
    order = np.argsort(-np.abs(after - before), kind="stable")
    given = [int(index) for index in order if before[index] or after[index]]
    return {labels[index]: (float(before[index]), float(after[index])) for index in given}


def _answers(dealt: NDArray[np.float32], reference: Sample, new: Sample, labels: Sequence[str]) -> Signal | None:
    """Compare what is answered: the labels' shares, or the ranks of numbers; free text has neither."""
    if labels:
        return _shares("answers", dealt, reference.values, new.values, labels)
    if not isinstance(reference.values[0], float):
        return None
    first, second = (np.asarray(sample.values, dtype=float) for sample in (reference, new))
    effect = values_moved(dealt, np.concatenate([first, second]))
    return Signal("answers", float(first.mean()), float(second.mean()), ranks_differ(first, second), effect=effect)


def _shares(
    name: str, dealt: NDArray[np.float32], old: Sequence[Any], new: Sequence[Any], labels: Sequence[str]
) -> Signal:
    columns = {label: number for number, label in enumerate(labels)}
    has = np.zeros((len(old) + len(new), len(columns) + 1), dtype=bool)  # the last: labels that the task does not have
    for row, value in enumerate([*old, *new]):
        for label in value if isinstance(value, list) else [value]:
            has[row, columns.get(label, -1)] = True
    before, after = has[: len(old)].mean(axis=0), has[len(old) :].mean(axis=0)
    shares = label_shares([*labels, UNKNOWN], before, after)
    return Signal(name, None, None, shares_differ(dealt, has), shares=shares, effect=shares_moved(dealt, has))


def _confidence(dealt: NDArray[np.float32], reference: Sample, new: Sample) -> Signal | None:
    first, second = (sample.confidence[np.isfinite(sample.confidence)] for sample in (reference, new))
    if not len(first) or not len(second):
        return None
    if (len(first), len(second)) != (len(reference), len(new)):
        dealt = contrasts(len(first), len(second), len(dealt) - 1)  # some rows have no confidence
    effect = values_moved(dealt, np.concatenate([first, second]))
    return Signal("confidence", float(first.mean()), float(second.mean()), ranks_differ(first, second), effect=effect)


def _elsewhere(reference: Sample, new: Sample) -> Signal | None:
    if reference.elsewhere is None or new.elsewhere is None:
        return None
    return _higher_share("elsewhere", new.elsewhere, reference.elsewhere)


def _higher_share(name: str, new: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Signal:
    p = share_is_higher(int(new.sum()), len(new), int(reference.sum()), len(reference))
    old, now = float(reference.mean()), float(new.mean())
    return Signal(name, old, now, p, effect=max(0.0, now - old))


def _far(reference: Sample, new: Sample) -> Signal | None:
    far = exceedances(reference.nearest, new.nearest, FAR)
    if far is None:
        return None
    old, now = float((reference.nearest > far.bound).mean()), float(far.beyond.mean())
    return Signal("unknown", old, now, far.p, effect=max(0.0, now - old))


def _judged(
    dealt: NDArray[np.float32], reference: Sample, new: Sample, labels: Sequence[str], max_lost: float | None
) -> Sequence[Signal]:
    """Compare right answers and right labels, where these are known of both samples."""
    old, judged = reference.judged, new.judged
    if old is None or judged is None:
        return ()
    accuracy = _accuracy(old.correct, judged.correct, max_lost)
    if not labels:
        return (accuracy,)
    if dealt.shape[1] != len(old.labels) + len(judged.labels) or len(new) != len(judged.labels):
        dealt = contrasts(len(old.labels), len(judged.labels), len(dealt) - 1)  # some rows have no label
    return accuracy, _shares("labels", dealt, old.labels, judged.labels, labels)


def _accuracy(old: NDArray[np.bool_], new: NDArray[np.bool_], max_lost: float | None) -> Signal:
    """Compare how many are right; the bound is chance, or the points that may be lost."""
    change = share_difference(int(new.sum()), len(new), int(old.sum()), len(old))
    lost = float(old.mean() - new.mean())
    signal = Signal("accuracy", float(old.mean()), float(new.mean()), None, change=change, effect=max(0.0, lost))
    if max_lost is not None:
        return replace(signal, beyond=100 * lost > max_lost + ROUNDING)
    return replace(signal, p=share_is_higher(int((~new).sum()), len(new), int((~old).sum()), len(old)))
