"""One strategy beside another: differences paired over replications, and over test examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.report.replications import over_replications
from workbench.statistics import Interval, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.report.document import ReplicationReport
    from experiments.report.examples import FinalOutcomes

COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")
SAME = "not distinguishable"


@dataclass(frozen=True)
class Difference:
    """Strategy − reference in one metric.

    Attributes:
        seeds: 95 % t interval of the differences at equal seeds and orders: what another training would change.
        examples: 95 % bootstrap interval over test examples: what another test split would change. None where it
            does not apply: outcomes missing, or a score that is not a mean over examples.
    """

    seeds: Interval
    examples: Interval | None = None

    def as_json(self) -> dict[str, Any]:
        """Return ``{mean, low, high, values, reading}`` and ``bootstrap``, the same over examples."""
        document = {**self.seeds.as_json(), "reading": reading(self.seeds)}
        if self.examples:
            document["bootstrap"] = {**self.examples.as_json(), "reading": reading(self.examples)}
        return document


@dataclass(frozen=True)
class Comparison:
    """All differences between a strategy and the reference ``against``, by metric."""

    against: str
    differences: Mapping[str, Difference]

    def as_json(self) -> dict[str, Any]:
        """Return ``against`` and each difference under its metric's name."""
        return {
            "against": self.against,
            **{name: difference.as_json() for name, difference in self.differences.items()},
        }


def reading(difference: Interval) -> str:
    """Return what an interval of differences says: higher, lower, not distinguishable; or that there is none."""
    if difference.mean is None:
        return "not measured"
    if difference.holds_zero is None:
        return "no interval"
    if difference.holds_zero:
        return SAME
    return "higher" if difference.mean > 0 else "lower"


def compare(
    outcomes: FinalOutcomes, label: str, against: str, reports: Mapping[str, Sequence[ReplicationReport]]
) -> Comparison:
    """Return the differences of ``label`` − ``against`` in the replications that both have finished."""
    pairs = [*zip(reports[label], reports[against], strict=True)]
    seeds = [ours.seed for ours, _ in pairs]
    differences = {}
    for name in COMPARED:
        gaps = over_replications((_minus(ours.metrics[name], theirs.metrics[name]) for ours, theirs in pairs), seeds)
        differences[name] = Difference(gaps)
    both = outcomes.paired(label, against, pairs)
    if both:
        bootstrap = paired_bootstrap(*both)
        differences["average_accuracy"] = Difference(differences["average_accuracy"].seeds, bootstrap)
    return Comparison(against, differences)


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
