"""How a router does: each test text goes to the adapter that it chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.studies.routing.outcome import RoutingOutcome, outcome
from fusion.route import route
from workbench.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusion.route import RoutingState
    from workbench.settings import Budget
    from workbench.task import Task


def routed(
    state: RoutingState, tasks: Sequence[Task], own: Sequence[NDArray[np.bool_]], budget: Budget
) -> RoutingOutcome:
    """Return how the tasks' test texts fare with a router.

    Args:
        state: the router; its adapters in the order of ``tasks``.
        tasks: whole; the budget's share of their test splits is read.
        own: for each task (n_j,) whether its own adapter labels each text rightly.
        budget: how many test examples.
    """
    chosen = []
    for place, task in enumerate(tasks):
        rows = draw(task, budget, seed=0).splits["test"]
        chosen.append(route(state, rows, truth=np.full(len(rows), place)).argmax(axis=1))
    correct = [(places == place) & right for place, (places, right) in enumerate(zip(chosen, own, strict=True))]
    return outcome(chosen, correct)
