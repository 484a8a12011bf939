"""How one model with one head for the labels of all tasks does, as a router would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.studies.routing.outcome import RoutingOutcome, outcome
from adapter_workbench.experiments.workspace.evaluating import evaluate_model
from adapter_workbench.tasks.loading.union import starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


def joint_outcome(
    model: TaskModel, joint: Task, tasks: Sequence[Task], backbone: Backbone, budget: Budget
) -> RoutingOutcome:
    """Return how a model that learned ``joint``, made of ``tasks``, does on its test split.

    ``budget``: the one that it was learned with, of :data:`~.joint_task.ALL_EXAMPLES`.
    """
    answers = evaluate_model(model, joint, backbone, budget).outcomes
    first_labels = np.array(starts(tasks))
    predicted, true = (
        np.searchsorted(first_labels, answers[name].to_numpy(), side="right") - 1 for name in ("prediction", "label")
    )
    correct = answers["correct"].to_numpy()
    own = [true == index for index in range(len(tasks))]
    return outcome([predicted[rows] for rows in own], [correct[rows] for rows in own])
