"""Ways to make the next version of an adapter, compared over a stream of updates of the same tasks.

The pieces are adapters, one for each version of a task, each made from the one before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments.engine.study import Study

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return the tasks, how they arrive, and the backbone."""
    about = record.about
    return f"updates of {', '.join(about['tasks'])}, {about['scenario']}, on {about['backbone']}"


def changed(record: RecordDocument, coordinates: Mapping[str, Any]) -> RecordDocument:
    """Return the adapters of the same entry."""
    label = coordinates["label"]
    return replace(record, pieces=tuple(piece for piece in record.pieces if piece.coordinates["label"] == label))


STUDY = Study(__name__, "updates", describe, changed)
