"""Which two strategies a recipe compares, and all others: every two besides, adjusted for how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.declared_test import DeclaredTest
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.studies.core.against import controls
from adapter_workbench.experiments.studies.stream.results.comparison import by_metric, compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.stream.results.final_outcomes import FinalOutcomes
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport


@dataclass(frozen=True)
class Pair:
    """Two strategies, and first − second by metric."""

    first: str
    second: str
    differences: Mapping[str, Difference]

    def as_json(self) -> dict[str, Any]:
        """Return both labels and each difference under its metric's name."""
        differences = {name: difference.as_json() for name, difference in self.differences.items()}
        return {"first": self.first, "second": self.second, **differences}


def declared_pairs(record: Record) -> dict[str, str]:
    """Return label → the entry that the recipe compares it with: its ``against``, else the reference.

    The reference is compared with nothing, nor are entries at further learning rates.
    """
    return controls([entry for entry in record.entries if entry.frontier is None], record.reference)


def other_pairs(
    outcomes: FinalOutcomes,
    labels: Sequence[str],
    declared: Mapping[str, str],
    reports: Mapping[str, Sequence[ReplicationReport]],
    margin: float | None,
) -> tuple[Pair, ...]:
    """Return every two of ``labels`` that are not ``declared``, tested paired, as one family for each metric."""
    asked = {frozenset(pair) for pair in declared.items()}
    pairs = [pair for pair in combinations(labels, 2) if frozenset(pair) not in asked]
    names = (f"{first} − {second}" for first, second in pairs)
    compared = dict(zip(names, compare(outcomes, pairs, reports), strict=True))
    family = by_metric(compared, lambda _, gaps: in_family(gaps, DeclaredTest(margin=margin)))
    return tuple(Pair(*labels, differences) for labels, differences in zip(pairs, family.values(), strict=True))
