"""The report as frozen, typed data: what terminal, JSON, HTML and MLflow are drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.studies.stream.comparison import Comparison
    from experiments.studies.stream.cost import CostSummary, ProbeSeries
    from experiments.studies.stream.frontier import Frontier
    from experiments.studies.stream.matrix import Grid, Statuses
    from experiments.studies.stream.pairs import Pair
    from experiments.studies.stream.record import Contender, Record
    from experiments.studies.stream.stage_outcome import StageOutcome
    from workbench.statistics import Interval


@dataclass(frozen=True)
class ReplicationReport:
    """One strategy with one seed in one order of the stream.

    Attributes:
        seed: the seed.
        order: which of the record's orders; 0 is the recipe's own.
        tasks: the stream as it was learned here, which is the order of the columns of R.
        finished: how many stages.
        matrix: R (T + 1, T).
        statuses: how each cell came about.
        metrics: by name; None where not defined.
        course: the same after each stage, had the stream ended there; entry i is of stage i + 1.
        outcomes: what was recorded, in the order of the stages.
    """

    seed: int
    order: int
    tasks: tuple[str, ...]
    finished: int
    matrix: Grid
    statuses: Statuses
    metrics: Mapping[str, float | None]
    course: tuple[Mapping[str, float | None], ...]
    outcomes: tuple[StageOutcome, ...]

    @property
    def complete(self) -> bool:
        """Whether the last stage has finished; a strategy that learns all tasks at once has no other."""
        return any(outcome.stage == len(self.tasks) for outcome in self.outcomes)

    @property
    def planned(self) -> int:
        """How many stages there will be, as far as can be told before the last."""
        return self.finished if self.complete else len(self.tasks)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``seeds`` in ``report --json --full``."""
        return {
            "seed": self.seed,
            "order": self.order,
            "tasks": list(self.tasks),
            "matrix": self.matrix,
            "statuses": self.statuses,
            "metrics": dict(self.metrics),
            "finished": self.finished,
            "chosen": [dict(outcome.chosen) for outcome in self.outcomes],
        }


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


@dataclass(frozen=True)
class Report:
    """A whole report; see :class:`experiments.studies.stream.record.Record` for what the shared fields mean.

    Attributes:
        record: what it is made of.
        strategies: the recipe's own entries.
        others: the same entries at other learning rates, which are points of the frontier and nothing else.
        pairs: every two of ``strategies``.
        frontier: by label of ``strategies``, where it was learned at other rates too.
        verdict: two sentences.
    """

    study: ClassVar[str] = "stream"
    record: Record
    strategies: tuple[StrategyReport, ...]
    others: tuple[StrategyReport, ...]
    pairs: tuple[Pair, ...]
    frontier: Mapping[str, Frontier]
    verdict: str

    def _repr_html_(self) -> str:
        """Return the page for a notebook, without its pictures."""
        from experiments.reporting.notebook import framed
        from experiments.studies.stream.present import present

        return framed(present(self))

    @property
    def complete(self) -> bool:
        """Whether every replication has finished, those of the frontier included."""
        return all(each.complete for one in (*self.strategies, *self.others) for each in one.replications)

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds each replication's own matrix and metrics.

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
            "orders": [list(order) for order in record.orders],
            "scenario": record.scenario,
            "reference": record.reference,
            "budget": dict(record.budget),
            "complete": self.complete,
            "verdict": self.verdict,
            "strategies": {strategy.label: strategy.as_json(full) for strategy in self.strategies},
            "pairs": [pair.as_json() for pair in self.pairs],
            "frontier": {label: frontier.as_json() for label, frontier in self.frontier.items()},
            "definitions": {metric.name: metric.formula for metric in METRICS},
            "provenance": dict(record.provenance),
        }
