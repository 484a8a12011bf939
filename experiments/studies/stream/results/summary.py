"""From what was measured to what is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.reporting.differences import EQUAL, bare_gap, equal_in_words, test_in_words
from adapter_workbench.experiments.reporting.wording import adjusted_in_words, number, plural, probability, unit
from adapter_workbench.experiments.studies.core.planned import planned_family
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.stream.results.comparison import (
    FinalOutcomes,
    by_metric,
    compare,
    declared_pairs,
    other_pairs,
)
from adapter_workbench.experiments.studies.stream.results.frontier import frontiers
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.replication_report import (
    ReplicationReport,
    accuracy_matrix,
    grid,
)
from adapter_workbench.experiments.studies.stream.results.report import Report
from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
from adapter_workbench.experiments.studies.stream.results.unlearned import constant_scores, unlearned
from adapter_workbench.experiments.studies.stream.results.verdict import (
    compared,
    compared_with,
    headline,
    paired_in,
    planned_in_words,
    verdict,
)
from adapter_workbench.workbench.measures.forgetting import Stream, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.stream.plan.entry import Entry
    from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageOutcome
    from adapter_workbench.workbench.measures.statistics import Array

    Outcomes = Mapping[tuple[str, int, int], list[StageOutcome]]
    Matrices = Mapping[tuple[str, int, int], Array]

WORDS = {  # metric → what it is called here, and the words for a negative and a positive difference
    "forgetting": ("Forgotten", "less", "more"),
    "average_accuracy": ("After the last task", "lower", "higher"),
    "learning_accuracy": ("Right after each task", "lower", "higher"),
}


def summarise(record: Record, brief: bool = False) -> Report:
    """Return the report on whatever of ``record`` is there; an unfinished stream stays unscored.

    ``brief``: without what compares two strategies.
    """
    learned = _outcomes(record)
    matrices = {
        (label, seed, order): accuracy_matrix(record.orders[order], outcomes, record.last)
        for (label, seed, order), outcomes in learned.items()
    }
    reports = {
        entry.label: tuple(
            ReplicationReport(
                seed,
                order,
                record.orders[order],
                grid(matrices[entry.label, seed, order]),
                _metrics_by_stage(record, entry, seed, order, matrices),
                tuple(learned[entry.label, seed, order]),
                record.since,
                seed in record.planned_seeds(entry.label),
            )
            for seed, order in record.replications
        )
        for entry in record.entries
    }
    finals = FinalOutcomes(record)

    declared = {} if brief else declared_pairs(record)
    compared = dict(zip(declared, compare(finals, declared.items(), reports), strict=True))
    family = by_metric(
        compared, lambda name, gaps: planned_family(gaps, record.declared_test, record.settled.get(name, {}), declared)
    )
    constants = constant_scores(record.tasks, record.majority)
    everything = [
        StrategyReport(
            entry,
            reports[entry.label],
            record.tasks,
            *_baselines(record, entry),
            family.get(entry.label, {}),
            unlearned([test for test in record.doubtful if test.label == entry.label], constants),
        )
        for entry in record.entries
    ]
    strategies = tuple(strategy for strategy in everything if strategy.entry.frontier is None)
    others = tuple(strategy for strategy in everything if strategy.entry.frontier is not None)
    labels, margin = [strategy.label for strategy in strategies], record.declared_test.margin
    pairs = () if brief else other_pairs(finals, labels, declared, reports, margin)
    drawn = frontiers(strategies, others, record.tunings)
    words = verdict(record, strategies), tuple(evidence(record, strategies))
    return Report(record, strategies, others, pairs, drawn, *words)


def _outcomes(record: Record) -> Outcomes:
    """Return what was recorded, by label, seed and order, in the order of the stages."""
    by_replication: dict[tuple[str, int, int], list[StageOutcome]] = {
        (entry.label, seed, order): [] for entry in record.entries for seed, order in record.replications
    }
    for outcome in sorted(record.outcomes, key=lambda outcome: outcome.stage):
        by_replication.get((outcome.label, outcome.seed, outcome.order), []).append(outcome)
    return by_replication


def _metrics_by_stage(
    record: Record, entry: Entry, seed: int, order: int, matrices: Matrices
) -> tuple[Mapping[str, float | None], ...]:
    """Return the metrics after each stage of a replication."""
    single, joint = _baselines(record, entry)
    columns = [record.tasks.index(task) for task in record.orders[order]]  # what the record has in the recipe's order
    stream = Stream(
        matrices[entry.label, seed, order],
        np.array(record.test_sizes, dtype=float)[columns],
        np.array(record.majority, dtype=float)[columns],
        single=np.diagonal(matrices[single, seed, order], offset=-1) if single else None,
        joint=matrices[joint, seed, order][-1] if joint else None,
        since=None if record.since is None else np.array(record.since),
    )
    return tuple(metrics(stream.until(stage)) for stage in range(1, record.last + 1))


def _baselines(record: Record, entry: Entry) -> tuple[str | None, str | None]:
    return single_task_baseline(record, entry), joint_baseline(record, entry)


# Which entry of the same recipe gives S[j] (one model a task) and which gives J[j] (joint training).
#
# They give none where they answer another question than R[j, j]. If the task is not named, isolated adapters are behind
# a router, whose errors are in their scores. In a class-incremental stream the joint model answers among all labels,
# and after stage j an answer is one of the labels seen so far.


def single_task_baseline(record: Record, entry: Entry) -> str | None:
    """Return the label of an isolated entry with the same method, in whose adapters no other task has a part.

    Of several it is the one whose settings differ least; of those that differ alike, what the entry is compared with.
    None as well where the task is not named.
    """
    if record.scenario != "task-incremental":
        return None
    candidates = [
        baseline for baseline in _entries(record) if baseline.fits_tasks_apart and baseline.method == entry.method
    ]
    against = entry.against or record.reference

    def distance(baseline: Entry) -> tuple[int, bool]:
        return _differences(baseline, entry), baseline.label != against

    return min(candidates, key=distance).label if candidates else None


def joint_baseline(record: Record, entry: Entry) -> str | None:
    """Return the label of a joint entry: with the same method where there is one, its settings differing least.

    None in a class-incremental stream.
    """
    if record.scenario == "class-incremental":
        return None
    candidates = [baseline for baseline in _entries(record) if baseline.strategy == "joint"]
    if not candidates:
        return None
    return min(candidates, key=lambda baseline: (baseline.method != entry.method, _differences(baseline, entry))).label


def _entries(record: Record) -> list[Entry]:
    """Return the recipe's own entries: another learning rate of one is a point of the frontier, no baseline."""
    return [baseline for baseline in record.entries if baseline.frontier is None]


def _differences(baseline: Entry, entry: Entry) -> int:
    """Return how many settings of the baseline the entry has otherwise; its own extra settings do not count."""
    mine, theirs = entry.settings, baseline.settings
    return sum(name not in mine or mine[name] != value for name, value in theirs.items())


# The numbers below a verdict: both scores in each metric, their difference, its interval and p.


def evidence(record: Record, strategies: Sequence[StrategyReport]) -> list[str]:
    """Return a line for each metric in which the headline strategy is compared, and one that says by which test."""
    ours = headline(strategies)
    reference = compared_with(ours, record, strategies)
    if ours is None or reference is None or not paired_in(ours):
        return []
    lines = [f"{WORDS[name][0]}: {text}." for name, text in _metrics(record, ours, reference)]
    return [*lines, _basis(record, ours)] if lines else []


def _metrics(record: Record, ours: StrategyReport, reference: StrategyReport) -> Iterator[tuple[str, str]]:
    """Yield each metric that both sides have, with both scores and how they differ."""
    for name, (_, below, above) in WORDS.items():
        difference = ours.differences[name]
        if difference.seeds.mean is None:
            continue
        sign = " points" if name == "forgetting" else unit(record.kinds).sign
        theirs, mine = (number(compared(side, ours, name).mean) for side in (reference, ours))
        yield (
            name,
            f"{reference.label} {theirs}{sign}, {ours.label} {mine}{sign}{_in_words(difference, below, above)}",
        )


def _in_words(difference: Difference, below: str, above: str) -> str:
    """Return the difference with interval and p; only p where it is undecided; nothing where no test was made."""
    if not difference.is_tested:
        return ""
    chance, level = difference.chance, difference.level
    if difference.reading in ("higher", "lower"):
        tested = "" if chance is None else f", {probability(chance, level)}"
        return f"; {bare_gap(difference, below, above)}{tested}"
    if difference.reading == EQUAL:
        within = f", {probability(difference.p_equal, level)}" if difference.p_equal is not None else ""
        return f"; {bare_gap(difference, below, above)}: {equal_in_words(difference.margin)}{within}"
    reason = "the interval over test examples includes 0" if chance is None else probability(chance, level)
    return f"; undecided ({reason})"


def _basis(record: Record, ours: StrategyReport) -> str:
    """Return what the lines above rest on: tasks, replications, test, family."""
    over = planned_in_words(record, paired_in(ours))
    text = f"Over {plural(len(record.tasks), 'task')} and {over}"
    differences = ours.differences.values()
    if not any(difference.p is not None for difference in differences):
        return f"{text}, so no test over seeds."
    family = max(difference.family for difference in differences)
    holm = adjusted_in_words(family, ", p")
    over_seeds = [difference for difference in differences if difference.shares is None]
    test = test_in_words(over_seeds or differences)
    average = ", of the average over test examples too" if 0 < len(over_seeds) < len(differences) else ""
    return f"{text}; in brackets 95 % intervals; {test}{average}{holm}."


report = reported(Record, lambda record, workspace, brief: summarise(record, brief))
