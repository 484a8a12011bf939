"""The numbers below a verdict: both scores in each metric, their difference, its interval and p."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.differences import EQUAL, bare_gap, equal_in_words, test_in_words
from adapter_workbench.experiments.reporting.wording import adjusted_in_words, number, plural, probability, unit
from adapter_workbench.experiments.studies.stream.results.compared import compared, paired_in, planned_in_words
from adapter_workbench.experiments.studies.stream.results.verdict import compared_with, headline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport

WORDS = {  # metric → what it is called here, and the words for a negative and a positive difference
    "forgetting": ("Forgotten", "less", "more"),
    "average_accuracy": ("After the last task", "lower", "higher"),
    "learning_accuracy": ("Right after each task", "lower", "higher"),
}


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
