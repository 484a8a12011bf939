"""domain-incremental: all tasks share the same labels and one head; the task of a text is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.methods.task import Task


class DomainIncremental:
    """The question stays the same, the texts change."""

    knows_task = False
    shares_head = True
    announces_tasks = True
    overlap = None

    def objection(self, tasks: Sequence[Task]) -> str | None:
        """All tasks need the same labels, in the same order."""
        other = next((task for task in tasks if task.labels != tasks[0].labels), None)
        if other is None and tasks[0].labels:
            return None
        if other is None:
            return f"{tasks[0].name!r} has no labels, so that there is no label space to share"
        theirs, first = ", ".join(other.labels), ", ".join(tasks[0].labels)
        return f"{other.name!r} has the labels {theirs}, and {tasks[0].name!r} has {first}"

    def posed(self, tasks: Sequence[Task]) -> tuple[Task, ...]:
        """Return ``tasks``."""
        return tuple(tasks)


SCENARIO = DomainIncremental()
