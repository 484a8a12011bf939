"""Repairs of a finished stream: what brings back what its shared weights forgot, beside doing nothing.

The pieces are repairs, each of one entry in one replication.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.study import GATHERED, Study, same_entry

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return which stream is repaired."""
    return f"repairs of {record.about['stream']}, {len(record.about['tasks'])} tasks on {record.about['backbone']}"


STUDY = Study(__name__, "repair", describe, same_entry, modules=GATHERED, reads_workspace=True)
