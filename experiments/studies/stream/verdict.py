"""Two sentences that say what came out, losses as plainly as wins, with the interval or that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import gap_in_words
from experiments.reporting.replications import counted
from experiments.reporting.wording import number, plural, replicated, unit
from workbench.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.studies.stream.record import Record
    from experiments.studies.stream.strategy_report import StrategyReport
    from workbench.statistics import Interval


def headline(strategies: Sequence[StrategyReport]) -> StrategyReport | None:
    """Return the strategy that a verdict is about: the recipe's first besides the reference and joint training.

    The order of the recipe decides, which was there before any result, not which strategy came out best.
    """
    others = [strategy for strategy in strategies if strategy.differences]
    streams = [strategy for strategy in others if strategy.contender.strategy != "joint"]
    return next(iter([*streams, *others]), None)


def verdict(record: Record, strategies: Sequence[StrategyReport]) -> str:
    """Return the two sentences on the headline strategy against the reference."""
    ours, reference = headline(strategies), _reference(record, strategies)
    if ours is None or reference is None:
        return "There is nothing to compare: the recipe has one strategy. Add a second one and name it as reference."
    return f"{_versus(record, ours, reference)}{unit(record.kinds).note}"


def other_verdicts(record: Record, strategies: Sequence[StrategyReport]) -> list[str]:
    """Return the sentences on every strategy but the reference and the one that the verdict is about."""
    first, reference = headline(strategies), _reference(record, strategies)
    rest = [strategy for strategy in strategies if strategy.differences and strategy is not first]
    return [_versus(record, strategy, reference) for strategy in rest] if reference else []


def _reference(record: Record, strategies: Sequence[StrategyReport]) -> StrategyReport | None:
    return next((strategy for strategy in strategies if strategy.label == record.reference), None)


def _versus(record: Record, ours: StrategyReport, reference: StrategyReport) -> str:
    """Return two sentences on ``ours`` against ``reference``: forgetting, then what was learned and what is left."""
    paired = sum(value is not None for value in ours.differences["average_accuracy"].seeds.values)
    if not paired:
        return _unfinished(ours, reference)
    basis = f"{plural(len(record.tasks), 'task')}, {_replications(record, paired)}"
    subject = ours.label if ours.differences["forgetting"].seeds.mean is None else "it"  # the sentence before is of it
    learned = _learning(subject, ours, reference, unit(record.kinds).sign)
    return f"{_forgetting(record, ours, reference, basis)} {learned}"


def _forgetting(record: Record, ours: StrategyReport, reference: StrategyReport, basis: str) -> str:
    difference = ours.differences["forgetting"]
    if len(record.tasks) < 2:
        return f"Forgetting is not defined for a stream of one task ({basis})."
    if difference.seeds.mean is None:
        missing = ours.label if ours.metrics["forgetting"].mean is None else reference.label
        return f"Forgetting cannot be compared: {missing} was not tested after each stage ({basis})."
    mine, theirs = (_compared(side, ours, "forgetting") for side in (ours, reference))
    amount = "exactly 0" if set(mine.values) == {0.0} else number(mine.mean)
    text = f"{ours.label} forgot {amount} points where {reference.label} forgot {number(theirs.mean)} ({basis}): "
    return f"{text}{gap_in_words(difference, 'less', 'more', 'strategies')}."


def _learning(subject: str, ours: StrategyReport, reference: StrategyReport, sign: str) -> str:
    parts: list[str] = []
    names = {
        "learning_accuracy": "right after each task {} scored {} (learning accuracy) against {}, ",
        "average_accuracy": "after the last task {} stands at {} on average against {}, ",
    }
    for name, words in names.items():
        difference = ours.differences[name]
        if difference.seeds.mean is not None:
            scores = (f"{number(_compared(side, ours, name).mean)}{sign}" for side in (ours, reference))
            who = "it" if parts else subject
            parts.append(words.format(who, *scores) + gap_in_words(difference, "lower", "higher", "strategies"))
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _compared(side: StrategyReport, ours: StrategyReport, name: str) -> Interval:
    """Return a metric of one side, over the replications that its difference is taken over."""
    gaps, seeds = ours.differences[name].seeds.values, [replication.seed for replication in ours.replications]
    return interval(side.metrics[name].values[position] for position in counted(gaps, seeds))


def _replications(record: Record, paired: int) -> str:
    planned = len(record.seeds) * len(record.orders)
    if paired == planned and planned > 1:
        return replicated(len(record.seeds), len(record.orders))
    noun = "seed" if len(record.orders) == 1 else "replication"
    if paired == 1:
        return f"one {noun}, so no interval" if planned == 1 else f"one of {planned} {noun}s so far, so no interval"
    return f"{paired} of {planned} {noun}s so far"


def _unfinished(ours: StrategyReport, reference: StrategyReport) -> str:
    progress = f"{ours.label} has finished {ours.finished} of {ours.planned} stages, {reference.label} "
    reason = "Forgetting is told only once both have learned the whole stream with a seed."
    return f"No verdict yet: {progress}{reference.finished}. {reason}"
