"""A training in somebody's own program, whose model was measured on tasks before it began and as it went on.

No recipe is of this study and nothing runs it: a callback of transformers' Trainer writes its record
(:mod:`adapter_workbench.experiments.watching`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.study import Study

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return what was trained, and on how many tasks it was measured how often."""
    tasks, stages = len(record.about["tasks"]), len(record.pieces)
    return f"a training of {record.about['backbone']} elsewhere, measured {stages} times on {tasks} tasks"


STUDY = Study(__name__, "watched", describe)
