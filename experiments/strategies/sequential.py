"""sequential: one set of weights learns task after task, by any method, without a remedy against forgetting."""

from __future__ import annotations

from experiments.strategies._shared import SharedWeights

STRATEGY = SharedWeights()
