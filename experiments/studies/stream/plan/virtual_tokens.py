"""How many of the backbone's positions a stream takes before its texts at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.strategies import STRATEGIES, TakesPositions
from workbench.errors import collect_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.studies.stream.plan.entry import PlannedEntry
    from workbench.errors import Problem
    from workbench.settings.base import Document


def virtual_tokens(document: Document, entries: Sequence[PlannedEntry], tasks: int, problems: list[Problem]) -> int:
    """Return how many virtual tokens stand before a text at the last stage, of the entry that has most.

    Args:
        document: the recipe.
        entries: its strategies.
        tasks: how many are learned.
        problems: gets what cannot be done.
    """
    most = 0
    for entry in entries:
        tokens = entry.method_settings.virtual_tokens
        strategy = STRATEGIES.get(entry.strategy)
        if isinstance(strategy, TakesPositions):
            with collect_problems(problems, document.where("strategies", entry.label)):
                tokens = strategy.virtual_tokens(entry.strategy_settings, entry.method_settings, tasks)
        most = max(most, tokens)
    return most
