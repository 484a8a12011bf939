"""What is reported of one strategy, over all its replications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.studies.stream.comparison import Comparison
    from experiments.studies.stream.cost import CostSummary, ProbeSeries
    from experiments.studies.stream.matrix import Grid, Statuses
    from experiments.studies.stream.record import Contender
    from workbench.statistics import Interval


if TYPE_CHECKING:
    from experiments.studies.stream.replication_report import ReplicationReport


@dataclass(frozen=True)
class StrategyReport:
    """One entry of a recipe's ``strategies``.

    Attributes:
        contender: label, strategy, method and settings, as the recipe has them.
        replications: one report each, all orders of the first seed first.
        matrix: R (T + 1, T) in the recipe's own order, mean over seeds; None where not measured.
        statuses: how each of those cells came about, the weakest over seeds.
        cells: how many cells of all replications were measured, verified and carried.
        metrics: mean and 95 % interval over replications, by name.
        cost: mean over replications.
        probes: by probe and quantity.
        single: label of the contender that S[j] comes from.
        joint: label of the contender that J[j] comes from.
        comparison: against the reference; None for the reference itself.
    """

    contender: Contender
    replications: tuple[ReplicationReport, ...]
    matrix: Grid
    statuses: Statuses
    cells: Mapping[str, int]
    metrics: Mapping[str, Interval]
    cost: CostSummary
    probes: Mapping[str, Mapping[str, ProbeSeries]]
    single: str | None
    joint: str | None
    comparison: Comparison | None

    @property
    def label(self) -> str:
        """The name that the recipe gives it."""
        return self.contender.label

    @property
    def choices(self) -> dict[str, str]:
        """What was chosen on validation at each stage of the first replication, by hyper-parameter, in words."""
        outcomes = self.replications[0].outcomes if self.replications else ()
        names = dict.fromkeys(name for outcome in outcomes if outcome.trials > 1 for name in outcome.chosen)
        return {name: ", ".join(f"{one.chosen[name]:g}" for one in outcomes if name in one.chosen) for name in names}

    @property
    def own_order(self) -> tuple[ReplicationReport, ...]:
        """The replications in the recipe's own order, one a seed."""
        return tuple(one for one in self.replications if one.order == 0)

    @property
    def finished(self) -> int:
        """Finished stages, all replications together."""
        return sum(one.finished for one in self.replications)

    @property
    def planned(self) -> int:
        """Stages of the recipe, all replications together."""
        return sum(one.planned for one in self.replications)

    def as_json(self, full: bool) -> dict[str, Any]:
        """Return the entry of ``strategies`` in ``report --json``."""
        document: dict[str, Any] = {
            "strategy": self.contender.strategy,
            "method": self.contender.method,
            "settings": dict(self.contender.settings),
            "metrics": {name: value.as_json() for name, value in self.metrics.items()},
            "matrix": self.matrix,
            "cost": self.cost.as_json(),
            "probes": {
                probe: {quantity: series.as_json() for quantity, series in quantities.items()}
                for probe, quantities in self.probes.items()
            },
            "cells": dict(self.cells),
            "stages": {"finished": self.finished, "planned": self.planned},
            "baselines": {"single": self.single, "joint": self.joint},
            "comparison": self.comparison.as_json() if self.comparison else None,
        }
        if full:
            document["seeds"] = [one.as_json() for one in self.replications]
        return document
