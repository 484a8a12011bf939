"""The study of streams: how strategies learn task after task, and what they forget.

The pieces are the steps of each entry in each replication. Its modules lie in four rooms: plan, work, results, page.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.study import Study

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return how many tasks there are, and the backbone."""
    return f"{len(record.about['tasks'])} tasks on {record.about['backbone']}"


def changed(record: RecordDocument, coordinates: Mapping[str, Any]) -> RecordDocument | None:
    """Return what has the same seed and order: metrics of one strategy may need the scores of another."""
    if "stage" not in coordinates:  # an attempt, of which nothing is logged
        return None
    beside = (coordinates["seed"], coordinates["order"])
    pieces = tuple(
        piece for piece in record.pieces if (piece.coordinates["seed"], piece.coordinates.get("order")) == beside
    )
    return replace(record, about={**record.about, "seeds": [coordinates["seed"]]}, pieces=pieces)


ROOMS = {
    "recipe": "plan",
    "plan": "plan",
    "pieces": "work",
    "summary": "results",
    "scored": "results",
    "quantities": "results",
    "facts": "results",
    "present": "page",
}

STUDY = Study(__name__, "strategies", describe, changed, ROOMS)
