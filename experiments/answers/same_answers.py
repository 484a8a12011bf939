"""Whether an adapter's answers can be right or wrong for the examples of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.label_order import different
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.methods.task import Task


def require_same_answers(own: TaskReference, task: Task, where: str = "--task") -> None:
    """Make sure that an adapter answers what ``task`` asks; its labels may be in another order there.

    Args:
        own: what the adapter answers.
        task: that it is to be asked.
        where: what names the task, for messages.

    Raises:
        InputError: another kind of task, pairs where there are single texts, or other labels; these are named.
    """
    for what, theirs, here in (("kind", own.kind, task.kind), ("pairs of texts", own.pair, task.pair)):
        if theirs != here:
            message = f"{what} of the adapter: {_in_words(theirs)}; of {task.name}: {_in_words(here)}"
            raise InputError(message, where=where, hint="--task names a task of the same kind with the same labels.")
    if differ := different(own.labels, task.labels):
        hint = "--task names a task with the same labels, in any order."
        raise InputError(f"the labels are not those of {task.name}; {differ}", where=where, hint=hint)


def _in_words(value: str | bool) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
