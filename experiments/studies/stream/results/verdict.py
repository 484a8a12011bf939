"""What came out, in two sentences that need no statistics to be read; the numbers stand below them, in `evidence`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from experiments.reporting.differences import EQUAL, UNDECIDED, equal_in_words
from experiments.reporting.wording import number, probability, unit
from experiments.studies.stream.results.compared import compared, paired_in, planned_in_words, positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.studies.stream.results.record import Record
    from experiments.studies.stream.results.strategy_report import StrategyReport

FORGETTING = "forgetting"


def headline(strategies: Sequence[StrategyReport]) -> StrategyReport | None:
    """Return the strategy that a verdict is about: the recipe's first besides the reference and joint training.

    The order of the recipe decides, which was there before any result, not which strategy came out best.
    """
    others = [strategy for strategy in strategies if strategy.differences]
    streams = [strategy for strategy in others if strategy.entry.strategy != "joint"]
    return next(iter([*streams, *others]), None)


def verdict(record: Record, strategies: Sequence[StrategyReport]) -> str:
    """Return what the reference lost, what the headline strategy lost, and whether that may be chance."""
    ours = headline(strategies)
    reference = compared_with(ours, record, strategies)
    if ours is None or reference is None:
        return "There is nothing to compare: the recipe has one strategy. Add a second one and name it as reference."
    if not paired_in(ours):
        return _unfinished(ours, reference)
    if len(record.tasks) < 2:
        return "Forgetting is not defined for a stream of one task."
    if ours.differences[FORGETTING].seeds.mean is None:
        missing = ours if ours.metrics[FORGETTING].mean is None else reference
        return f"Forgetting cannot be compared: {missing.title} was not tested after each stage."
    sentences = [_lost(reference, ours), _lost(ours, ours), _chance(record, ours), unit(record.kinds).note.strip()]
    return " ".join(sentence for sentence in sentences if sentence)


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
        last = [score for score in replication.matrix[-1][:-1] if score is not None]
        bests.append(math.fsum(last) / len(last) + (replication.metrics[FORGETTING] or 0.0))
    return math.fsum(bests) / len(bests)


def _is_verified(side: StrategyReport, ours: StrategyReport) -> bool:
    """Return whether all answers to earlier tasks were computed again at the end, and were the same to the last bit."""
    replications = [side.replications[position] for position in positions(ours, FORGETTING)]
    return all(status == "verified" for replication in replications for status in replication.statuses[-1][:-1])


def _chance(record: Record, ours: StrategyReport) -> str:
    """Return that the difference may be chance, where its test does not say otherwise."""
    difference = ours.differences[FORGETTING]
    basis = planned_in_words(record, paired_in(ours))
    if difference.is_tested:
        if difference.reading == EQUAL:
            return f"In this the two are {equal_in_words(difference.margin)} ({probability(difference.p_equal)})."
        maybe = f"With {basis} this may be chance ({probability(difference.chance)})."
        return maybe if difference.reading == UNDECIDED else ""
    return f"This is {basis}: only several can tell how much of it is chance."


def _unfinished(ours: StrategyReport, reference: StrategyReport) -> str:
    progress = f"{ours.label} has finished {ours.finished} of {ours.planned} stages, {reference.label} "
    reason = "Forgetting is told only once both have learned the whole stream with a seed."
    return f"No verdict yet: {progress}{reference.finished}. {reason}"
