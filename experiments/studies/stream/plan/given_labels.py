"""Labels that a recipe names for the heads of checkpoints, in the order of their logits: whether they can be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.label_order import different, listed
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.experiments.strategies._checkpoint import Checkpoint, Labels
    from adapter_workbench.experiments.strategies._ways import Way
    from adapter_workbench.workbench.methods.task import Task


def require_labels(labels: Mapping[str, Labels], tasks: Sequence[Task], where: str) -> None:
    """Make sure that labels are named for tasks of the stream, and are those of the task.

    Args:
        labels: task → its labels in the order of a head's logits.
        tasks: of the stream.
        where: in the recipe, for messages.

    Raises:
        InputError: a task that the stream does not have, or other labels than the task has.
    """
    by_name = {task.name: task for task in tasks}
    for name, named in labels.items():
        if name not in by_name:
            raise UnknownNameError("task of this stream", name, by_name, where)
        task = by_name[name]
        if not task.labels:
            raise InputError(f"{name} is {task.kind} and has no labels", where=where, hint="Leave it out.")
        if len({*named}) < len(named):
            raise InputError(f"a label of {name} is named twice: {listed(named)}", where=where)
        if differ := different(named, task.labels, "in the checkpoint"):
            hint = f"Name all labels in the order of the logits, called as the task calls them: {listed(task.labels)}"
            raise InputError(f"the labels are not those of {name}; {differ}", where=where, hint=hint)


def require_heads(labels: Mapping[str, Labels], task: Task, checkpoints: Sequence[Checkpoint], where: str) -> None:
    """Make sure that each checkpoint brings a head for ``task``, where labels are named for it.

    Raises:
        InputError: one brings none, or one with another number of labels.
    """
    for checkpoint in checkpoints if task.name in labels else ():
        if task.name not in checkpoint.heads:
            why = checkpoint.lacking.get(task.name, "no head came with it")
            message = f"labels are named for {task.name}, and {checkpoint.name} cannot answer with them: {why}"
            hint = (
                "A task is answered in one way at all its checkpoints. Name checkpoints whose heads have these labels, "
                "or leave the labels out: then heads are fitted."
            )
            raise InputError(message, where=where, hint=hint)


def require_one_order(ways: Mapping[str, Way], checkpoints: Sequence[Checkpoint], where: str) -> None:
    """Make sure that the one head which another program's checkpoint brings has its labels in one order.

    Raises:
        InputError: it is to answer two tasks with its labels in two orders.
    """
    for checkpoint in checkpoints:
        if checkpoint.form in ("folder", "model"):
            orders = {labels: name for name, labels in checkpoint.heads.items() if ways[name] == "own head"}
            if len(orders) > 1:
                (this_order, first), (other_order, second) = [*orders.items()][:2]
                message = (
                    f"the one head of {checkpoint.name} cannot have its labels in two orders: "
                    f"{listed(this_order)} for {first}, {listed(other_order)} for {second}"
                )
                raise InputError(message, where=where, hint="Name the labels as the head was trained.")
