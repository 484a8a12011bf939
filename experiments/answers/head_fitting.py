"""A head for an adapter that came without one: fitted on the frozen features of a task's training examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.settings.base import Budget

if TYPE_CHECKING:
    from torch import nn

    from adapter_workbench.workbench.adapters.manifest import FittedHead
    from adapter_workbench.workbench.answering.elsewhere.headless import Fit
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task

FITTED = "classification"  # the kind whose head is fitted in closed form
DRAWN = Budget(train_examples=1024, validation_examples=256)  # more take minutes, and hardly change a linear layer


def head_fit(task: Task, backbone: Backbone, listener: Listener, where: str) -> Fit | None:
    """Return what fits a head for ``task``; None where the backbone answers with its own.

    Args:
        task: on whose training examples it is fitted, :data:`DRAWN` at most.
        backbone: that the adapter belongs to.
        listener: hears of it.
        where: the task is named, for messages.

    Raises:
        InputError: no head of this kind of task is fitted here.
    """
    if task.kind in GENERATED:
        return None
    if task.kind != FITTED:
        message = f"there is no head in this folder, and for {task.kind} tasks ({task.name}) none is fitted here"
        hint = f"Name a {FITTED} task, or an adapter that was saved with its head."
        raise InputError(message, where=where, hint=hint)

    def fit(model: TaskModel, max_length: int) -> tuple[nn.Linear, FittedHead]:
        from adapter_workbench.fusion.target.target import head_fitted_on
        from adapter_workbench.workbench.adapters.manifest import FittedHead
        from adapter_workbench.workbench.methods.sampling import draw

        drawn = draw(task, DRAWN, seed=0)
        examples = len(drawn.splits["train"])
        listener.say(
            f"There is no head in this folder: one is fitted on {examples:,} training examples of {task.name}, "
            f"of up to {max_length} tokens each"
        )
        fitted = head_fitted_on(drawn, model, backbone, max_length)
        return fitted.head, FittedHead(
            task=task.name,
            fingerprint=task.fingerprint,
            origin=task.origin,
            examples=examples,
            inverse_regularisation=fitted.inverse_regularisation,
            validation=fitted.validation,
        )

    return fit
