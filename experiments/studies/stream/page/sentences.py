"""Sentences of the page beside the verdicts: on the learning rates, and on what heads regain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.learned_nothing import NOTHING
from adapter_workbench.experiments.reporting.wording import number, plural, unit
from adapter_workbench.experiments.studies.stream.results.probe_summaries import spurious

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.studies.stream.results.frontier import Frontier
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.experiments.studies.stream.results.unlearned import Unlearned

SHOWN = 3  # tasks that a sentence names


def frontier_sentences(report: Report) -> list[str]:
    """Return which learning rate single-task validation picks for each strategy that was run with several.

    Strategies that forget, and were run at one rate only, are named: what is said of them holds at that rate.
    """
    sign = unit(report.record.kinds).sign
    sentences = [f"{label}: {_picked(frontier, sign)}" for label, frontier in report.frontier.items()]
    alone = {
        strategy.label: strategy.entry.settings["learning_rate"]
        for strategy in report.strategies
        if strategy.label not in report.frontier
        and strategy.entry.can_forget
        and "learning_rate" in strategy.entry.settings
    }
    if alone:
        rates = ", ".join(f"{label} ({rate:.3g})" for label, rate in alone.items())
        sentences.append(
            f"Run at one learning rate only: {rates}. The learning rate changes how much is forgotten; "
            "the key 'frontier' in a recipe adds other rates."
        )
    return sentences


def _picked(frontier: Frontier, sign: str) -> str:
    picked, own = frontier.picked, frontier.chosen
    if picked is None:
        return "single-task validation cannot pick a learning rate yet, as not every rate has learned a first task."
    text = f"single-task validation picks learning rate {picked.learning_rate:.3g} ({number(picked.validation)}{sign})"
    failed = ", ".join(f"{point.learning_rate:.3g}" for point in frontier.failed)
    note = f" When it was tried, training failed at {failed}." if failed else ""
    if picked is own:
        return f"{text}, which is the rate that all tables and the verdict are drawn from.{note}"
    return (
        f"{text}, but all tables and the verdict are drawn from the recipe's own rate {own.learning_rate:.3g} "
        f"({number(own.validation)}{sign}).{note}"
    )


def spurious_sentences(report: Report) -> list[str]:
    """Return a sentence for each strategy whose heads, fitted anew, lose at most half of what its own heads lost.

    None of one whose heads lost less than what a sentence can show. None in a class-incremental stream: there the own
    head chooses among the labels of all tasks so far, and a head fitted anew among those of one task.

    Spurious forgetting (Zheng et al., 2025): the features still tell the classes apart, the head no longer does.
    """
    if report.record.scenario == "class-incremental":
        return []
    sentences = []
    for strategy in report.strategies:
        losses = spurious(strategy)
        if losses is not None and losses[1] <= losses[0] / 2 and number(losses[0]) != number(0.0):
            own, anew = losses
            sentences.append(
                f"{strategy.label}: by the end its heads had lost {number(own)} points on earlier tasks; heads fitted "
                f"anew on the features of then and now lost {number(anew)}. At least half of its forgetting is "
                "spurious: the features still tell the classes apart, and the head no longer fits them."
            )
    return sentences


# Sentences about strategies that learned nothing of a task, or next to nothing.


def sentences(strategies: Sequence[StrategyReport]) -> list[str]:
    """Return one sentence for each strategy that learned nothing of a task, or one for all of them."""
    failed = [strategy for strategy in strategies if strategy.unlearned]
    if is_all(strategies):
        first = failed[0]
        what = "Nothing or next to nothing was learned here, by no strategy and of no task"
        return [f"{what}. {first.label} on {_example(first.unlearned[0])}."]
    return [_sentence(strategy) for strategy in failed]


def is_all(strategies: Sequence[StrategyReport]) -> bool:
    """Return whether no strategy learned anything of any task that was tested."""
    tested = [strategy for strategy in strategies if strategy.tests]
    return bool(tested) and all(len(strategy.unlearned) == strategy.tests for strategy in tested)


def _sentence(strategy: StrategyReport) -> str:
    tasks = list(dict.fromkeys(entry.task for entry in strategy.unlearned))
    named = ", ".join(tasks[:SHOWN]) + (f" and {len(tasks) - SHOWN} more" if len(tasks) > SHOWN else "")
    count = f"{len(strategy.unlearned)} of {plural(strategy.tests, 'test')}"
    return f"{strategy.label} {NOTHING} of {named} ({count}). On {_example(strategy.unlearned[0])}."


def _example(entry: Unlearned) -> str:
    order = f", order {entry.order}" if entry.order else ""
    return f"{entry.task} (seed {entry.seed}{order}), {entry.why}"
