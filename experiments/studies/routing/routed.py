"""How a router does: each test text goes to the adapter that it chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from datasets import concatenate_datasets

from adapter_workbench.experiments.studies.routing.outcome import RoutingOutcome, outcome
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.workbench.methods.sampling import test_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


def routed(
    state: RoutingState, tasks: Sequence[Task], own: Sequence[NDArray[np.bool_]], budget: Budget
) -> RoutingOutcome:
    """Return how the tasks' test texts fare with a router.

    Args:
        state: the router; its adapters in the order of ``tasks``.
        tasks: whole, of single texts or all of pairs; the budget's share of their test splits is read, all at once.
        own: for each task (n_j,) whether its own adapter labels each text rightly.
        budget: how many test examples.
    """
    columns = ["id", "text", *(["text_pair"] if tasks[0].pair else [])]
    texts = [test_rows(task, budget).select_columns(columns) for task in tasks]
    sizes = [*map(len, texts)]
    truth = np.repeat(np.arange(len(tasks)), sizes)
    choice = adapters_for_texts(state, concatenate_datasets(texts), truth)
    chosen = np.split(choice.adapters, np.cumsum(sizes)[:-1])
    correct = [(taken == index) & right for index, (taken, right) in enumerate(zip(chosen, own, strict=True))]
    return outcome(chosen, correct)
