"""Whether a training has forgotten more than it may, at a known error rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.measures.paired_scores import chance_of_more
from adapter_workbench.workbench.measures.statistics import holm
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def beyond(before: Mapping[str, pd.Series], now: Mapping[str, pd.Series], bound: float, looks: int) -> tuple[str, ...]:
    """Return the tasks that have lost more than ``bound``.

    One-sided tests over the test examples, adjusted by Holm over the tasks and by Bonferroni over the looks: a training
    that loses no more than the bound on any task is stopped with a chance of 5 % at most, at all its looks together.

    Args:
        before: task → the score of each test example before the training, by its id.
        now: the same at this stage.
        bound: a share, in [0, 1).
        looks: how often the training is looked at, this time included.
    """
    tasks = [task for task in now if task in before]
    pairs = [(before[task].to_numpy(), now[task].loc[before[task].index].to_numpy()) for task in tasks]
    adjusted = holm([chance_of_more(*pair, bound) for pair in pairs])
    return tuple(task for task, p in zip(tasks, adjusted, strict=True) if p is not None and looks * p < LEVEL)
