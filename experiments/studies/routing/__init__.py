"""Routers compared: who finds the right adapter where nobody names the task, against knowing it and joint training.

The pieces are adapters, models that learned all tasks together, and routers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.study import GATHERED, Study, same_entry

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return the tasks and the backbone."""
    return f"routers on {', '.join(record.about['tasks'])}, on {record.about['backbone']}"


STUDY = Study(__name__, "routers", describe, same_entry, modules=GATHERED)
