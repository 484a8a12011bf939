"""Routers compared: who finds the right adapter where nobody names the task, against knowing it and joint training.

The pieces are adapters, models that learned all tasks together, and routers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments.engine.study import Study

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return the tasks and the backbone."""
    return f"routers on {', '.join(record.about['tasks'])}, on {record.about['backbone']}"


def changed(record: RecordDocument, coordinates: Mapping[str, Any]) -> RecordDocument | None:
    """Return the other seeds of the same entry; adapters are logged at the end."""
    label = coordinates.get("label")
    if label is None:
        return None
    return replace(record, pieces=tuple(piece for piece in record.pieces if piece.coordinates.get("label") == label))


STUDY = Study(__name__, "routers", describe, changed)
