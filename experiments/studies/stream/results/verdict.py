"""What came out, in sentences that need no statistics to be read; the numbers stand below them, in `evidence`."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.plain_verdicts import (
    ENDED,
    ComparisonInWords,
    MetricWords,
    Named,
    sentences,
)
from adapter_workbench.experiments.reporting.replications import over_replications
from adapter_workbench.experiments.reporting.wording import number, plural, some, unit
from adapter_workbench.experiments.studies.stream.results.examined import examined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.studies.stream.results.examined import ExaminedChange
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.workbench.measures.statistics import Interval

FORGETTING = "forgetting"
NAMED = 4
FORGOT = MetricWords("forgetting", "forgot", "forgets", "more", "less", "less", within="in forgetting")
LEARNED = MetricWords(
    "learning_accuracy", "scored", "scores", beside="right after each task", within="right after each task"
)


def headline(strategies: Sequence[StrategyReport]) -> StrategyReport | None:
    """Return the strategy that a verdict is about: the recipe's first besides the reference and joint training.

    The order of the recipe decides, which was there before any result, not which strategy came out best.
    """
    others = [strategy for strategy in strategies if strategy.differences]
    streams = [strategy for strategy in others if strategy.entry.strategy != "joint"]
    return next(iter([*streams, *others]), None)


def verdict(record: Record, strategies: Sequence[StrategyReport]) -> str:
    """Return what the reference and the headline strategy lost, and what every comparison of the recipe came to."""
    ours = headline(strategies)
    reference = compared_with(ours, record, strategies)
    if ours is None and record.examined:
        return " ".join(map(partial(examined_in_words, record), strategies))
    if ours is None or reference is None:
        return "There is nothing to compare: the recipe has one strategy. Add a second one and name it as reference."
    if not paired_in(ours):
        return _unfinished(ours, reference)
    ends = sentences([*planned(record, strategies, [ENDED])])
    if len(record.tasks) < 2 and not record.examined:
        return " ".join(["Forgetting is not defined for a stream of one task.", *ends])
    if ours.differences[FORGETTING].seeds.mean is None:
        missing = ours if ours.metrics[FORGETTING].mean is None else reference
        untold = f"Forgetting cannot be compared: {missing.title} was not tested after each stage."
        return " ".join([untold, *ends])
    parts = [_lost(reference, ours), _lost(ours, ours), *_untested(record, ours), *ends]
    parts += _losses(record, strategies, ours)
    return " ".join(part for part in (*parts, unit(record.kinds).note.strip()) if part)


def _losses(record: Record, strategies: Sequence[StrategyReport], ours: StrategyReport) -> list[str]:
    """Return who forgot less; what ``ours`` forgot was said, and is said again where it is undecided or equal."""
    losses = [loss for loss in planned(record, strategies, [FORGOT]) if loss.difference.is_tested]
    decided = [loss for loss in losses if loss.entry.label == ours.label and loss.word in (FORGOT.below, FORGOT.above)]
    return sentences(losses, leading=ours.label if decided else None)


def _untested(record: Record, ours: StrategyReport) -> list[str]:
    """Return that the loss may be chance, where there is no test."""
    if ours.differences[FORGETTING].is_tested:
        return []
    return [f"This is {planned_in_words(record, paired_in(ours))}: only several can tell how much of it is chance."]


def compared_with(
    ours: StrategyReport | None, record: Record, strategies: Sequence[StrategyReport]
) -> StrategyReport | None:
    """Return the strategy that ``ours`` is compared with; None where the recipe names none."""
    label = ours.against(record.reference) if ours else record.reference
    return next((strategy for strategy in strategies if strategy.label == label), None)


def _lost(side: StrategyReport, ours: StrategyReport) -> str:
    """Return how much of what one side had learned it lost, over the replications that ``ours`` is compared in."""
    forgot = compared(side, ours, FORGETTING)
    assert forgot.mean is not None
    if set(forgot.values) == {0.0}:
        same = ": every answer is the same as before, bit for bit" if _is_verified(side, ours) else ""
        return f"{side.title} lost none{same}."
    if number(forgot.mean) == "0.0":
        return f"{side.title} lost 0.0 points."
    if forgot.mean < 0:
        return f"{side.title} lost none: scores on earlier tasks rose by {number(-forgot.mean)} points."
    return f"{side.title} lost {number(forgot.mean)} of the {number(_best(side, ours))} points learned before."


def _best(side: StrategyReport, ours: StrategyReport) -> float:
    """Return the mean over j < T of max over j ≤ i < T of R[i, j], which forgetting is taken from."""
    bests = []
    for position in positions(ours, FORGETTING):
        replication = side.replications[position]
        scores = dict(zip(replication.tasks, replication.matrix[-1], strict=True))
        last = [score for task in replication.earlier if (score := scores[task]) is not None]
        bests.append(math.fsum(last) / len(last) + (replication.metrics[FORGETTING] or 0.0))
    return math.fsum(bests) / len(bests)


def _is_verified(side: StrategyReport, ours: StrategyReport) -> bool:
    """Return whether all answers to earlier tasks were computed again at the end, and were the same to the last bit."""
    replications = [side.replications[position] for position in positions(ours, FORGETTING)]
    ends = [
        (replication.earlier, zip(replication.tasks, replication.statuses[-1], strict=True))
        for replication in replications
    ]
    return all(status == "verified" for earlier, end in ends for task, status in end if task in earlier)


def _unfinished(ours: StrategyReport, reference: StrategyReport) -> str:
    progress = f"{ours.label} has finished {ours.finished} of {ours.planned} stages, {reference.label} "
    reason = "Forgetting is told only once both have learned the whole stream with a seed."
    return f"No verdict yet: {progress}{reference.finished}. {reason}"


# What checkpoints lost and gained, in sentences that need no statistics to be read.


def examined_in_words(record: Record, strategy: StrategyReport) -> str:
    """Return of how many tasks the last checkpoint lost and gained something against the first, and which."""
    changes = examined(record, strategy)
    names = record.checkpoints[strategy.label]
    if not changes:
        return f"No verdict yet: {strategy.finished} of {strategy.planned} checkpoints after the first are measured."
    first, last = names[0], names[-1]
    lost, gained, rest = ([change for change in changes if change.reading == word] for word in READINGS)
    if not lost and not gained:
        tasks = plural(len(changes), "task")
        return f"Nothing shows that {last} answers otherwise than {first}: no change of {tasks} is beyond chance."
    sentences = [f"Against {first}, {last} lost on {_named(lost)} and gained on {_named(gained)}."]
    if rest:
        sentences.append(f"On {plural(len(rest), 'other task')} no change is beyond chance.")
    if hidden := [change.task for change in lost if change.is_hidden]:
        sentences.append(f"Most of the loss on {some(hidden, NAMED)} is hidden, not lost: a head fitted anew has it.")
    return " ".join(sentences)


READINGS = ("lost", "gained", "undecided")


def _named(changes: Sequence[ExaminedChange]) -> str:
    if not changes:
        return "none"
    largest = sorted(changes, key=lambda change: -abs(change.last - change.first))
    points = [f"{change.task} ({number(change.last - change.first, signed=True)})" for change in largest]
    return some(points, NAMED)


# Over which replications a strategy is compared with the reference, and the scores of both over just these.


def paired_in(ours: StrategyReport) -> int:
    """Return how many replications both sides have finished."""
    return sum(value is not None for value in ours.differences["average_accuracy"].seeds.values)


def positions(ours: StrategyReport, metric: str) -> tuple[int, ...]:
    """Return which replications the difference in a metric is taken over, by their place in the report."""
    values = ours.differences[metric].seeds.values
    return tuple(position for position, value in enumerate(values) if value is not None)


def compared(side: StrategyReport, ours: StrategyReport, metric: str) -> Interval:
    """Return a metric of one side over the replications that the difference of ``ours`` is taken over."""
    taken, values = positions(ours, metric), side.metrics[metric].values
    seeds = [ours.replications[position].seed for position in taken]
    return over_replications([values[position] for position in taken], seeds)


def planned_in_words(record: Record, paired: int) -> str:
    """Return ``3 seeds``, ``2 of 3 seeds so far`` or ``one seed``: what a comparison rests on."""
    planned = paired if record.verdicts_after and paired > 1 else len(record.replications)
    if planned != len(record.replications):
        return plural(paired, "seed")
    if paired == planned and planned > 1:
        return record.replicated
    noun = "seed" if record.orders_of_a_seed == 1 else "replication"
    if paired == 1:
        return f"one {noun}" if planned == 1 else f"one of {planned} {noun}s so far"
    return f"{paired} of {plural(planned, noun)} so far"


# What a stream's recipe compares, in the words of each metric.


def planned(
    record: Record, strategies: Sequence[StrategyReport], metrics: Sequence[MetricWords] = (ENDED, FORGOT, LEARNED)
) -> Iterator[ComparisonInWords]:
    """Yield every strategy beside what it is compared with, metric by metric."""
    names = {strategy.label: Named(strategy.label, strategy.entry.title) for strategy in strategies}
    for words in metrics:
        for strategy in strategies:
            against = names.get(strategy.against(record.reference))
            if against and (difference := strategy.differences.get(words.name)):
                yield ComparisonInWords(names[strategy.label], against, words, difference)
