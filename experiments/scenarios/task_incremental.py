"""task-incremental: the task of each text is known, and the model has a head for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.methods.task import Task


class TaskIncremental:
    """Tasks are asked as they are."""

    knows_task = True
    shares_head = False
    announces_tasks = True
    overlap = None

    def objection(self, tasks: Sequence[Task]) -> str | None:
        """Any tasks will do."""
        return None

    def posed(self, tasks: Sequence[Task]) -> tuple[Task, ...]:
        """Return ``tasks``."""
        return tuple(tasks)


SCENARIO = TaskIncremental()
