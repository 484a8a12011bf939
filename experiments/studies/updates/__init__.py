"""Ways to make the next version of an adapter, compared over a stream of updates of the same tasks.

The pieces are adapters, one for each version of a task, each made from the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.study import GATHERED, Study, same_entry

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return the tasks, how they arrive, and the backbone."""
    about = record.about
    return f"updates of {', '.join(about['tasks'])}, {about['scenario']}, on {about['backbone']}"


STUDY = Study(__name__, "updates", describe, same_entry, modules=GATHERED)
