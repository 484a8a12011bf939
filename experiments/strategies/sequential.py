"""sequential: one set of weights learns task after task, by any method, without a remedy against forgetting."""

from __future__ import annotations

from adapter_workbench.experiments.strategies._shared import SharedWeights


class Sequential(SharedWeights):
    """Its state is the shared weights and the heads."""

    task_free = True


STRATEGY = Sequential()
