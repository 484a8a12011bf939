"""Repairs of a finished stream: what brings back what its shared weights forgot, beside doing nothing.

The pieces are repairs, each of one entry in one replication.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments.engine.study import Study

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return which stream is repaired."""
    return f"repairs of {record.about['stream']}, {len(record.about['tasks'])} tasks on {record.about['backbone']}"


def changed(record: RecordDocument, coordinates: Mapping[str, Any]) -> RecordDocument:
    """Return the same repair of the same entry in all replications."""
    label = coordinates["label"]
    return replace(record, pieces=tuple(piece for piece in record.pieces if piece.coordinates["label"] == label))


STUDY = Study(__name__, "repair", describe, changed, reads_workspace=True)
