"""Joint training: one model with one head for the labels of all tasks, on the same examples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.studies.routing.outcome import RoutingOutcome, outcome
from experiments.workspace.evaluating import evaluate_model
from tasks.loading.union import starts, union
from workbench.errors import InputError
from workbench.files.digest import key
from workbench.methods.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.backbone.pretrained import Backbone
    from workbench.methods.model import TaskModel
    from workbench.methods.task import Task
    from workbench.settings.base import Budget

ALL_EXAMPLES: dict[str, Any] = {"train_examples": None, "eval_examples": None, "validation_examples": None}


def joint_task(tasks: Sequence[Task], budget: Budget, seed: int) -> Task:
    """Return one task with the labels of all ``tasks``, ``task: label`` each: what joint training learns.

    Its splits are the tasks' own, drawn as they are drawn for the isolated adapters and put together; learn it with a
    budget of :data:`ALL_EXAMPLES`.

    Raises:
        InputError: the tasks are of several kinds, or one has no labels.
    """
    if not all(task.labels for task in tasks):
        raise InputError("these tasks cannot be learned jointly: one has no labels")
    joint = union([draw(task, budget, seed) for task in tasks], f"joint-{len(tasks)}-tasks")
    return replace(joint, fingerprint=key([joint.fingerprint, budget.model_dump(mode="json"), seed]))


def joint_outcome(
    model: TaskModel, joint: Task, tasks: Sequence[Task], backbone: Backbone, budget: Budget
) -> RoutingOutcome:
    """Return how a model that learned ``joint``, made of ``tasks``, does on its test split.

    ``budget``: the one that it was learned with, of :data:`ALL_EXAMPLES`.
    """
    answers = evaluate_model(model, joint, backbone, budget).outcomes
    first_labels = np.array(starts(tasks))
    predicted, true = (
        np.searchsorted(first_labels, answers[name].to_numpy(), side="right") - 1 for name in ("prediction", "label")
    )
    correct = answers["correct"].to_numpy()
    own = [true == index for index in range(len(tasks))]
    return outcome([predicted[rows] for rows in own], [correct[rows] for rows in own])
