"""The result of repairing the shared weights of one stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FOLDER = "repairs"  # of the documents in a workspace


@dataclass(frozen=True)
class Repaired:
    """One repair of one stream.

    Attributes:
        chosen: the numbers of the attempt that validates best, by name; empty where doing nothing does.
        attempts: how many ways were tried beside doing nothing.
        unrepaired: mean validation score of all tasks with nothing done, in [0, 1].
        validation: the same of what was chosen.
        scores: task → its score on the test split after the repair, in the stream's order.
        seconds: wall time of all of it.
    """

    chosen: Mapping[str, float]
    attempts: int
    unrepaired: float
    validation: float
    scores: Mapping[str, float]
    seconds: float
