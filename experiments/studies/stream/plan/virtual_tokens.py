"""How many of the backbone's positions a stream takes before its texts at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.strategies import STRATEGIES, TakesPositions
from adapter_workbench.workbench.errors import Problem, SettingsError, collect_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.studies.stream.plan.entry import PlannedEntry
    from adapter_workbench.workbench.settings.base import Document


def virtual_tokens(document: Document, entries: Sequence[PlannedEntry], tasks: int) -> int:
    """Return how many virtual tokens stand before a text at the last stage, of the entry that has most.

    Args:
        document: the recipe.
        entries: its strategies, each with a method that it works with.
        tasks: how many are learned.

    Raises:
        SettingsError: the settings of strategy and method do not go together.
    """
    most, problems = 0, list[Problem]()
    for entry in entries:
        tokens = entry.method_settings.virtual_tokens
        strategy = STRATEGIES.get(entry.strategy)
        if isinstance(strategy, TakesPositions):
            with collect_problems(problems, document.where("strategies", entry.label)):
                tokens = strategy.virtual_tokens(entry.strategy_settings, entry.method_settings, tasks)
        most = max(most, tokens)
    if problems:
        raise SettingsError(problems)
    return most
