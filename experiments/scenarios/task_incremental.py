"""task-incremental: a model is told which task a text belongs to, and has a head for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.task import Task


class TaskIncremental:
    """Tasks are asked as they are."""

    knows_task = True
    shares_head = False

    def objection(self, tasks: Sequence[Task]) -> str | None:
        """Any tasks will do."""
        return None

    def posed(self, tasks: Sequence[Task]) -> tuple[Task, ...]:
        """Return ``tasks``."""
        return tuple(tasks)


SCENARIO = TaskIncremental()
