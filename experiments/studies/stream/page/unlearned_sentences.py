"""Sentences about strategies that learned nothing of a task, or next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.learned_nothing import NOTHING
from adapter_workbench.experiments.reporting.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.experiments.studies.stream.results.unlearned import Unlearned

SHOWN = 3  # tasks that a sentence names


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
