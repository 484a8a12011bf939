"""Class-incremental evaluation: texts of several tasks, and nobody names the task (van de Ven & Tolias, 1904.07734).

An answer is right where the task is right *and* the label is. Labels of different tasks count as different, so a text
that goes to another task's adapter is wrong whatever that one says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.workspace.evaluating import test
from fusion.route import route
from tasks.union import starts, union
from workbench.digest import key
from workbench.errors import InputError
from workbench.sampling import draw
from workbench.stored_model import open_adapter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusion.route import RoutingState
    from workbench.backbone import Backbone
    from workbench.settings import Budget
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task

ALL: dict[str, Any] = {"train_examples": None, "eval_examples": None, "validation_examples": None}


@dataclass(frozen=True)
class TaskFree:
    """How the test texts of T tasks fare.

    Attributes:
        chosen: for each task (n_j,), the task that each of its texts was taken to belong to.
        correct: for each task (n_j,), whether task and label are right.
    """

    chosen: tuple[NDArray[np.int64], ...]
    correct: tuple[NDArray[np.bool_], ...]

    @property
    def accuracy(self) -> float:
        """Mean over tasks of the share of texts with the right task and the right label."""
        return float(np.mean([each.mean() for each in self.correct]))

    @property
    def routing_accuracy(self) -> float:
        """Mean over tasks of the share of texts with the right task."""
        return float(np.mean(np.diag(self.confusion)))

    @cached_property
    def confusion(self) -> NDArray[np.float64]:
        """The share of task i's texts that were taken for task j: (T, T), rows sum to 1."""
        tasks = len(self.chosen)
        return np.stack([np.bincount(each, minlength=tasks) / len(each) for each in self.chosen])


def own_answers(
    adapters: Sequence[StoredAdapter], tasks: Sequence[Task], backbone: Backbone, budget: Budget
) -> list[NDArray[np.bool_]]:
    """Return for each task (n_j,) whether its own adapter labels each test text rightly, the task being known."""
    pairs = zip(adapters, tasks, strict=True)
    tests = [test(open_adapter(adapter, backbone), task, backbone, budget) for adapter, task in pairs]
    return [each.outcomes["correct"].to_numpy() for each in tests]


def routed(state: RoutingState, tasks: Sequence[Task], own: Sequence[NDArray[np.bool_]], budget: Budget) -> TaskFree:
    """Return how the tasks' test texts fare with a router.

    Args:
        state: the router; its adapters in the order of ``tasks``.
        tasks: whole; the budget's share of their test splits is read.
        own: for each task (n_j,) whether its own adapter would be right.
        budget: how many test examples.
    """
    chosen = []
    for place, task in enumerate(tasks):
        rows = draw(task, budget, seed=0).splits["test"]
        chosen.append(route(state, rows, truth=np.full(len(rows), place)).argmax(axis=1))
    correct = [(each == place) & right for place, (each, right) in enumerate(zip(chosen, own, strict=True))]
    return TaskFree(tuple(chosen), tuple(correct))


def joint_task(tasks: Sequence[Task], budget: Budget, seed: int) -> Task:
    """Return one task with the labels of all ``tasks``, ``task: label`` each: what joint training learns.

    Its splits are the tasks' own, drawn as they are drawn for the isolated adapters and put together; learn it with a
    budget of :data:`ALL` examples.

    Raises:
        InputError: the tasks are of several kinds, or one has no labels.
    """
    if not all(task.labels for task in tasks):
        raise InputError("these tasks cannot be learned jointly: one has no labels")
    joint = union([draw(task, budget, seed) for task in tasks], f"joint-{len(tasks)}-tasks")
    return replace(joint, fingerprint=key([joint.fingerprint, budget.model_dump(mode="json"), seed]))


def joint_outcome(adapter: StoredAdapter, joint: Task, tasks: Sequence[Task], backbone: Backbone) -> TaskFree:
    """Return how a model that learned ``joint``, made of ``tasks``, does on its test split: one head for all labels."""
    outcomes = test(open_adapter(adapter, backbone), joint, backbone, adapter.manifest.budget).outcomes
    places = np.array(starts(tasks))
    predicted, true = (
        np.searchsorted(places, outcomes[name].to_numpy(), side="right") - 1 for name in ("prediction", "label")
    )
    correct = outcomes["correct"].to_numpy()
    own = [true == place for place in range(len(tasks))]
    return TaskFree(tuple(predicted[each] for each in own), tuple(correct[each] for each in own))
