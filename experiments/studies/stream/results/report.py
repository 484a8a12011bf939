"""The report as frozen, typed data: what terminal, JSON, HTML and MLflow are drawn from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.reporting.replications import over_replications
from adapter_workbench.experiments.studies.core.quantity import as_json
from adapter_workbench.experiments.studies.core.report import StudyReport
from adapter_workbench.experiments.studies.core.tune import first_rate
from adapter_workbench.experiments.studies.stream.plan.entry import GIVEN
from adapter_workbench.experiments.studies.stream.results.comparison import COMPARED, declared_pairs
from adapter_workbench.experiments.studies.stream.results.examined import examined
from adapter_workbench.experiments.studies.stream.results.facts import facts
from adapter_workbench.experiments.studies.stream.results.merges import merges
from adapter_workbench.experiments.studies.stream.results.quantities import STRATEGY
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.verdict import planned
from adapter_workbench.workbench.measures.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from adapter_workbench.experiments.reporting.collapses import SeedScores
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.plain_verdicts import ComparisonInWords
    from adapter_workbench.experiments.studies.core.planned import Families
    from adapter_workbench.experiments.studies.stream.plan.entry import Entry
    from adapter_workbench.experiments.studies.stream.results.comparison import Pair
    from adapter_workbench.experiments.studies.stream.results.examined import ExaminedChange
    from adapter_workbench.experiments.studies.stream.results.frontier import Frontier
    from adapter_workbench.experiments.studies.stream.results.merges import Merge
    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.workbench.measures.statistics import Interval

    Curve = Sequence[float]
    Curves = Mapping[str, Curve]


@dataclass(frozen=True)
class Report(StudyReport):
    """Everything that is said about a stream."""

    study: ClassVar[str] = "stream"
    record: Record
    strategies: tuple[StrategyReport, ...]  # the recipe's own entries
    # the same entries at other learning rates, which are points of the frontier and nothing else
    others: tuple[StrategyReport, ...]
    pairs: tuple[Pair, ...]  # every two of ``strategies``
    frontier: Mapping[str, Frontier]  # by label of ``strategies``, where it was learned at other rates too
    verdict: str  # what came out, in sentences that need no statistics to be read
    evidence: tuple[str, ...] = ()  # the numbers behind it, a line for each metric, and by which test

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
    def seed_scores(self) -> SeedScores:
        """Label → the average accuracy of each replication, and its seed."""
        return {
            strategy.label: (
                strategy.metrics["average_accuracy"].values,
                [replication.seed for replication in strategy.replications],
            )
            for strategy in self.strategies
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


# Under which circumstances each strategy learned the stream, for whoever compares them.


def circumstances(record: Record) -> dict[str, dict[str, Any]]:
    """Return for each entry of the recipe what of the stream it saw at once, kept and tried, as far as it has come."""
    return {entry.label: _own(record, entry) for entry in record.entries if entry.frontier is None}


def _own(record: Record, entry: Entry) -> dict[str, Any]:
    outcomes = [outcome for outcome in record.outcomes if outcome.label == entry.label and outcome.cells]
    stages = {outcome.stage for outcome in outcomes if outcome.stage}
    return {
        "tasks that are learned together": min(stages, default=None),
        "examples kept of earlier tasks": entry.settings.get("memory", 0),
        "models that answer": _models(entry, len(record.tasks)),
        "head of a task at first": _head(record, entry),
        "fits of a stage, of which validation picks one": max((outcome.trials for outcome in outcomes), default=None),
        "merges tried at a stage, of which validation picks one": entry.settings.get("tries", 0),
        "learning rates tried": _tried(record, entry) if entry.default_rate is not None else None,
        "learning rate, or the first that is tried": first_rate(_planned(entry), entry.default_rate),
    }


def _tried(record: Record, entry: Entry) -> int:
    """Return at how many learning rates it was fitted; before that is known, how many there are at most."""
    tuning = record.tunings.get(entry.label)
    return len(tuning.attempts) if tuning else len(entry.tried) or 1


def _models(entry: Entry, tasks: int) -> int:
    """Return by how many models the tasks are answered at the end."""
    return tasks if entry.strategy == "isolated" else min(tasks, entry.settings.get("keep", 1))


def _planned(entry: Entry) -> Mapping[str, Any]:
    """Return an entry's settings before its learning rate was chosen."""
    return {**entry.settings, "learning_rate": entry.tried[0].learning_rate} if entry.tried else entry.settings


def _head(record: Record, entry: Entry) -> str | None:
    """Return how the head of a task after the first begins; None where answers are generated, which needs none."""
    if record.generates:
        return None
    if entry.strategy == GIVEN:
        return "that of the checkpoint, or fitted"
    # an isolated LoRA that is not drawn afresh begins under a head that was fitted on its features
    return "random" if entry.settings.get("init", "fresh") == "fresh" else "fitted"


# How fast new tasks are learned: whether earlier tasks speed up a fit, whatever score it ends with.
#
# Of the fit on task j, V[j, e] is the validation score after epoch e, whichever epoch is kept. All numbers are means
# over the tasks from the second on, since the first has nothing before it.


@dataclass(frozen=True)
class Beginning:
    """How one strategy's fits went from epoch to epoch, beside those of another one."""

    first: Interval  # mean of V[j, 1]
    area: Interval  # mean of V[j, e] over epochs: the area under the learning curve, on a scale of epochs from 0 to 1
    gained: Interval | None  # ``area`` − the other's, paired by seed and order; None for the other one itself
    # mean of the first epoch in which V[j, e] is at least the other's best on that task, one more than there were
    # epochs where it never was
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
