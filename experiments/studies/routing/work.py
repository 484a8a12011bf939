"""The pieces of a comparison of routers: each task's adapter, joint models, then routers among the adapters."""

from __future__ import annotations

import shutil
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import concatenate_datasets

from adapter_workbench.experiments.engine.document_piece import DocumentPiece
from adapter_workbench.experiments.engine.forecast import lesson_effort
from adapter_workbench.experiments.engine.piece import Effort
from adapter_workbench.experiments.engine.timed_steps import step_shape
from adapter_workbench.experiments.studies.routing.record import (
    ENTRY_RESULTS,
    JOINT,
    ROUTER,
    EntryResult,
    RoutingOutcome,
    outcome,
)
from adapter_workbench.experiments.workspace.evaluating import evaluate_model, fit_and_evaluate
from adapter_workbench.experiments.workspace.example_scores import read_outcomes
from adapter_workbench.experiments.workspace.fitted_adapter import FITTED_ADAPTERS
from adapter_workbench.experiments.workspace.routers import known_state, part_folders
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.tasks.loading.union import starts
from adapter_workbench.workbench.backbone.feature_store import FEATURES
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods.sampling import draw, test_rows
from adapter_workbench.workbench.training import teach

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.experiments.engine.piece import Piece, Site
    from adapter_workbench.experiments.studies.routing.plan import RoutingPlan
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter
    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget
    from adapter_workbench.workbench.training import Lesson


FIRST_READING = "timed as if no text was read before"  # in keys: earlier times lacked what other routers had read


def pieces(plan: RoutingPlan) -> Iterator[Piece]:
    """Yield seed by seed: the adapters, joint models, and the routers that need the adapters."""
    for seed in plan.recipe.seeds:
        adapters = [_adapter(plan.lesson(task, seed)) for task in plan.tasks]
        yield from adapters
        for label, lesson in plan.joint_lessons(seed).items():
            yield _joint(label, lesson, plan.tasks)
        for label in plan.routers:
            yield _router(plan, label, seed, tuple(adapter.key for adapter in adapters))


def _adapter(lesson: Lesson) -> DocumentPiece:
    """Return a task's own adapter, trained and tested where the task is known."""
    task, label = lesson.task.name, f"{lesson.task.name} · {lesson.adaptation.method} · seed {lesson.seed}"
    return DocumentPiece(
        key=key(["routed adapter", lesson.key]),
        coordinates={"part": "adapter", "task": task, "seed": lesson.seed},
        label=label,
        effort=lesson_effort(lesson),
        leaves=FITTED_ADAPTERS,
        result=partial(_fitted_adapter, lesson, label),
    )


def _fitted_adapter(lesson: Lesson, label: str, site: Site) -> FittedAdapter:
    return fit_and_evaluate(site.workspace, lesson, site.listener, label)


def _joint(name: str, lesson: Lesson, tasks: tuple[Task, ...]) -> DocumentPiece:
    """Return one model that learns all tasks together; ``lesson`` is on a task made of all ``tasks``, in order."""
    identity, label = key(["joint", lesson.key]), f"{name} · seed {lesson.seed}"
    return DocumentPiece(
        key=identity,
        coordinates={"part": JOINT, "label": name, "seed": lesson.seed},
        label=label,
        effort=lesson_effort(lesson),
        leaves=ENTRY_RESULTS,
        result=partial(_joint_result, lesson, tasks, identity, label),
    )


def _joint_result(lesson: Lesson, tasks: tuple[Task, ...], identity: str, label: str, site: Site) -> EntryResult:
    """Train a joint model, and return its outcome on the test splits; it is not stored, so that no router finds it."""
    scratch = site.workspace.scratch(identity)
    model, fit = teach(lesson, site.listener, label, scratch)
    fared = joint_outcome(model, lesson.task, tasks, lesson.adaptation.backbone, lesson.budget)
    shutil.rmtree(scratch, ignore_errors=True)
    return EntryResult(fared, fit.seconds, None)


def _router(plan: RoutingPlan, name: str, seed: int, adapters: tuple[str, ...]) -> DocumentPiece:
    """Return one router among the ``adapters`` of one seed, in the order of the tasks; it is timed."""
    router, settings = plan.routers[name]
    identity = ROUTERS.identity(router), settings.model_dump(mode="json")
    shape = f"{len(adapters)} {step_shape(plan.recipe.budget)}"
    timed = [FIRST_READING] if ROUTERS.get(router).reads_features else []
    return DocumentPiece(
        key=key(["router", *identity, adapters, processes.sharing(), versions(), *timed]),
        coordinates={"part": ROUTER, "label": name, "seed": seed},
        label=f"{name} · seed {seed}",
        effort=Effort(f"router {plan.backbone.name} {router} {shape}"),
        leaves=ENTRY_RESULTS,
        result=partial(_router_result, plan, name, seed, adapters),
        needs=adapters,
        alone=True,
    )


def _router_result(plan: RoutingPlan, name: str, seed: int, needs: tuple[str, ...], site: Site) -> EntryResult:
    """Let a router learn of the adapters, and send it every test text; both are timed as if it was the only router."""
    workspace = site.workspace
    router, settings = plan.routers[name]
    documents = FITTED_ADAPTERS.documents(workspace)
    fits = [documents.require(need) for need in needs]
    adapters = [workspace.adapters.get(fit.adapter) for fit in fits]
    own = [_right_answers(workspace, fit) for fit in fits]
    by_adapter = {adapter.id: task for adapter, task in zip(adapters, plan.tasks, strict=True)}

    def task_of(adapter: StoredAdapter) -> Task:
        return draw(by_adapter[adapter.id], plan.recipe.budget, seed)

    folders = part_folders(workspace, router, settings, adapters, plan.backbone)
    partly_known = any(folder.is_dir() for folder in folders)
    FEATURES.clear()  # of routers before it, which may have learned from the same examples
    began = time.perf_counter()
    state = known_state(workspace, router, settings, adapters, plan.backbone, task_of, site.listener)
    _ = state.prepared  # computed once, and a part of learning: no text waits for it
    learning = time.perf_counter() - began
    began = time.perf_counter()
    fared = routed(state, plan.tasks, own, plan.recipe.budget)
    texts = sum(map(len, fared.correct))
    milliseconds = (time.perf_counter() - began) / texts * 1000
    return EntryResult(fared, None if partly_known else learning, milliseconds)


def _right_answers(workspace: Workspace, fit: FittedAdapter) -> NDArray[Any]:
    """Return for each test text of an adapter's task whether it answers rightly (n,), in the split's order."""
    answers = read_outcomes(workspace.evaluations.require_outcomes(fit.evaluation), ["correct"])
    right: NDArray[Any] = answers["correct"].to_numpy(dtype=bool)
    return right


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


def routed(
    state: RoutingState, tasks: Sequence[Task], own: Sequence[NDArray[np.bool_]], budget: Budget
) -> RoutingOutcome:
    """Return how the tasks' test texts fare with a router.

    Args:
        state: the router; its adapters in the order of ``tasks``.
        tasks: whole, of single texts or all of pairs; the budget's share of their test splits is read, all at once.
        own: for each task (n_j,) whether its own adapter labels each text rightly.
        budget: how many test examples.
    """
    columns = ["id", "text", *(["text_pair"] if tasks[0].pair else [])]
    texts = [test_rows(task, budget).select_columns(columns) for task in tasks]
    sizes = [*map(len, texts)]
    truth = np.repeat(np.arange(len(tasks)), sizes)
    choice = adapters_for_texts(state, concatenate_datasets(texts), truth)
    chosen = np.split(choice.adapters, np.cumsum(sizes)[:-1])
    correct = [(taken == index) & right for index, (taken, right) in enumerate(zip(chosen, own, strict=True))]
    return outcome(chosen, correct)
