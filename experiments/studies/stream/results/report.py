"""The report as frozen, typed data: what terminal, JSON, HTML and MLflow are drawn from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.studies.core.quantity import as_json
from adapter_workbench.experiments.studies.core.report import StudyReport
from adapter_workbench.experiments.studies.stream.results.beginnings import beginnings
from adapter_workbench.experiments.studies.stream.results.circumstances import circumstances
from adapter_workbench.experiments.studies.stream.results.comparison import COMPARED
from adapter_workbench.experiments.studies.stream.results.examined import examined
from adapter_workbench.experiments.studies.stream.results.facts import facts
from adapter_workbench.experiments.studies.stream.results.merges import merges
from adapter_workbench.experiments.studies.stream.results.pairs import declared_pairs
from adapter_workbench.experiments.studies.stream.results.planned import planned
from adapter_workbench.experiments.studies.stream.results.quantities import STRATEGY
from adapter_workbench.workbench.measures.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.plain_verdicts import ComparisonInWords
    from adapter_workbench.experiments.studies.core.planned import Families
    from adapter_workbench.experiments.studies.stream.results.beginnings import Beginning
    from adapter_workbench.experiments.studies.stream.results.examined import ExaminedChange
    from adapter_workbench.experiments.studies.stream.results.frontier import Frontier
    from adapter_workbench.experiments.studies.stream.results.merges import Merge
    from adapter_workbench.experiments.studies.stream.results.pairs import Pair
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport


@dataclass(frozen=True)
class Report(StudyReport):
    """Everything that is said about a stream.

    Attributes:
        strategies: the recipe's own entries.
        others: the same entries at other learning rates, which are points of the frontier and nothing else.
        pairs: every two of ``strategies``.
        frontier: by label of ``strategies``, where it was learned at other rates too.
        verdict: what came out, in sentences that need no statistics to be read.
        evidence: the numbers behind it, a line for each metric, and by which test.
    """

    study: ClassVar[str] = "stream"
    record: Record
    strategies: tuple[StrategyReport, ...]
    others: tuple[StrategyReport, ...]
    pairs: tuple[Pair, ...]
    frontier: Mapping[str, Frontier]
    verdict: str
    evidence: tuple[str, ...] = ()

    @property
    def planned(self) -> tuple[ComparisonInWords, ...]:
        """Each strategy beside what it is compared with, metric by metric."""
        return tuple(planned(self.record, self.strategies))

    @property
    def declared(self) -> dict[str, Difference]:
        """Each strategy's difference from the reference in average accuracy."""
        return {
            strategy.label: strategy.differences["average_accuracy"]
            for strategy in self.strategies
            if strategy.differences
        }

    @property
    def main(self) -> str:
        """The metric that decides when seeds are enough."""
        return "average_accuracy"

    @property
    def families(self) -> Families:
        """Metric → label → its difference."""
        compared = [strategy for strategy in self.strategies if strategy.differences]
        return {name: {strategy.label: strategy.differences[name] for strategy in compared} for name in COMPARED}

    @property
    def controls(self) -> dict[str, str]:
        """Label → what it is compared with."""
        return declared_pairs(self.record)

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: tuning, examples, models, …."""
        return circumstances(self.record)

    @property
    def everything(self) -> tuple[StrategyReport, ...]:
        """The recipe's own entries, then those at other learning rates."""
        return (*self.strategies, *self.others)

    @cached_property
    def beginnings(self) -> dict[str, Beginning]:
        """How fast each of ``strategies`` learned its tasks, by label, where that is known of it and the reference."""
        return beginnings(self.strategies, self.record.reference)

    @cached_property
    def _examined(self) -> dict[str, tuple[ExaminedChange, ...]]:
        return {strategy.label: examined(self.record, strategy) for strategy in self.strategies}

    def examined(self, strategy: StrategyReport) -> tuple[ExaminedChange, ...]:
        """Return what one of ``strategies`` lost and gained, task by task, where its stages are checkpoints."""
        return self._examined[strategy.label]

    def merges(self, strategy: StrategyReport) -> tuple[Merge, ...]:
        """Return the merges of one of ``strategies``, and what each cost."""
        return merges(self.record, self.strategies, strategy)

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds what each replication gave beside its matrix.

        Numbers are finite or null, scores are in [0, 1]; ``json.dumps(…, allow_nan=False)`` takes it as it is.
        """
        record = self.record
        document = {
            **self.head("tasks", "test_sizes", "orders", "scenario", "budget"),
            **({"order_per_seed": True} if record.order_per_seed else {}),
            "majority": [score if math.isfinite(score) else None for score in record.majority],
            **({"answers": "generated"} if record.generates else {}),
            **({} if record.overlap is None else {"overlap": record.overlap}),
            "evidence": list(self.evidence),
            "strategies": {strategy.label: self._entry(strategy, full) for strategy in self.strategies},
            "pairs": [pair.as_json() for pair in self.pairs],
            "frontier": {label: frontier.as_json() for label, frontier in self.frontier.items()},
            "definitions": {metric.name: metric.formula for metric in METRICS},
        }
        return self.checked(document, facts)

    def _entry(self, strategy: StrategyReport, full: bool) -> dict[str, Any]:
        """Return the entry of ``strategies``; ``full`` adds what each replication gave beside its matrix."""
        entry, gaps = strategy.entry, {name: gap.as_json() for name, gap in strategy.differences.items()}
        tuning = self.record.tunings.get(strategy.label)
        return {
            "strategy": entry.strategy,
            "method": entry.method,
            "settings": dict(entry.settings),
            **as_json(STRATEGY, strategy),
            "matrix": strategy.matrix,
            "probes": {
                probe: {quantity: series.as_json() for quantity, series in quantities.items()}
                for probe, quantities in strategy.probes.items()
            },
            "cells": strategy.cells,
            "stages": {"finished": strategy.finished, "planned": strategy.planned},
            "baselines": {"single": strategy.single, "joint": strategy.joint},
            "comparison": {"against": strategy.against(self.record.reference), **gaps} if gaps else None,
            "learned_nothing": [asdict(test) for test in strategy.unlearned],
            "seeds": [replication.as_json(full) for replication in strategy.replications],
            **({"tuning": tuning.as_json()} if tuning else {}),
            **({"learning_curve": began.as_json()} if (began := self.beginnings.get(strategy.label)) else {}),
            **({"ways": dict(ways)} if (ways := self.record.ways.get(strategy.label)) else {}),
            **({"checkpoints": list(named)} if (named := self.record.checkpoints.get(strategy.label)) else {}),
            **({"examined": [change.as_json() for change in seen]} if (seen := self.examined(strategy)) else {}),
            **({"merges": [merge.as_json() for merge in merged]} if (merged := self.merges(strategy)) else {}),
        }
