"""The report as frozen, typed data: what terminal, JSON, HTML and MLflow are drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.record import Contender, Record
    from experiments.report.comparison import Comparison
    from experiments.report.cost import CostSummary, ProbeSeries
    from experiments.report.matrix import Grid, Statuses
    from workbench.contracts import StageOutcome
    from workbench.forgetting import Interval


@dataclass(frozen=True)
class SeedReport:
    """One strategy with one seed: stages finished, R (T + 1, T), how each cell came about, metrics by name."""

    seed: int
    finished: int
    matrix: Grid
    statuses: Statuses
    metrics: Mapping[str, float | None]
    outcomes: tuple[StageOutcome, ...]


@dataclass(frozen=True)
class StrategyReport:
    """One entry of a recipe's ``strategies``.

    Attributes:
        contender: label, strategy, method and settings, as the recipe has them.
        seeds: one report a seed, in the recipe's order.
        matrix: R (T + 1, T), mean over seeds; None where not measured.
        statuses: how each cell came about, the weakest over seeds.
        cells: how many cells of all seeds were measured, verified and carried.
        metrics: mean and 95 % interval over seeds, by name.
        cost: mean over seeds.
        probes: by probe and quantity.
        single: label of the contender that S[j] comes from.
        joint: label of the contender that J[j] comes from.
        comparison: against the reference; None for the reference itself.
    """

    contender: Contender
    seeds: tuple[SeedReport, ...]
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
    def finished(self) -> int:
        """Finished stages, all seeds together."""
        return sum(seed.finished for seed in self.seeds)

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
            "stages": {"finished": self.finished, "planned": len(self.seeds) * len(self.matrix[0])},
            "baselines": {"single": self.single, "joint": self.joint},
            "comparison": self.comparison.as_json() if self.comparison else None,
        }
        if full:
            document["seeds"] = [
                {
                    "seed": seed.seed,
                    "matrix": seed.matrix,
                    "statuses": seed.statuses,
                    "metrics": dict(seed.metrics),
                    "finished": seed.finished,
                }
                for seed in self.seeds
            ]
        return document


@dataclass(frozen=True)
class Report:
    """A whole report; see :class:`experiments.record.Record` for what the shared fields mean."""

    record: Record
    strategies: tuple[StrategyReport, ...]
    verdict: str

    @property
    def complete(self) -> bool:
        """Whether every stage of every strategy and seed has finished."""
        planned = len(self.record.tasks) * len(self.record.seeds)
        return all(strategy.finished == planned for strategy in self.strategies)

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds each seed's own matrix and metrics.

        Numbers are finite or null, scores are in [0, 1]; ``json.dumps(…, allow_nan=False)`` takes it as it is.
        """
        record = self.record
        return {
            "experiment": record.experiment,
            "backbone": record.backbone,
            "tasks": list(record.tasks),
            "test_sizes": list(record.test_sizes),
            "majority": [score if math.isfinite(score) else None for score in record.majority],
            "seeds": list(record.seeds),
            "reference": record.reference,
            "budget": dict(record.budget),
            "complete": self.complete,
            "verdict": self.verdict,
            "strategies": {strategy.label: strategy.as_json(full) for strategy in self.strategies},
            "definitions": {metric.name: metric.formula for metric in METRICS},
            "provenance": dict(record.provenance),
        }
