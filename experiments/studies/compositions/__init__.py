"""Compositions for few-shot targets, compared with the plain alternatives: one fusion, or a recipe of many.

The pieces are sources, what is known of them, and the trials of all entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.study import GATHERED, Study

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return the targets and the backbone."""
    return f"compositions for {', '.join(record.about['targets'])} on {record.about['backbone']}"


STUDY = Study(__name__, "targets", describe, modules={**GATHERED, "summary": "summary", "scored": "summary"})
