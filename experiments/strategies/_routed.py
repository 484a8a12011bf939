"""Isolated adapters where nobody names the task: a router chooses one for each text, and that one answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.workspace.routers import known_state, part_folders
from adapter_workbench.fusion.routing.route import require_routable
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.fusion.target.reader import KIND
from adapter_workbench.tasks.loading.union import starts
from adapter_workbench.workbench.answering.evaluation import Evaluation, predict
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import draw, test_rows
from adapter_workbench.workbench.methods.stored_model import open_adapter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.experiments.strategies import Context
    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task

EVALUATION_ONLY = "oracle"


def routing_objection(router: str | None, method: str, kinds: Sequence[str]) -> str | None:
    """Return why adapters of ``method`` cannot be found by ``router``, or None."""
    usable = [name for name in ROUTERS.names() if name != EVALUATION_ONLY]
    if router not in usable:
        reason = f"there is no router {router!r}" if router else "nobody names the task in this scenario"
        return f"{reason}: set 'router' to one of {', '.join(usable)}"
    library = METHODS.get(method).library
    if library not in ROUTERS.get(router).libraries:
        return f"router {router} does not know adapters of {library} ({method})"
    others = sorted(set(kinds) - {KIND})
    return f"a router finds adapters of kind {KIND}, not {', '.join(others)}" if others else None


def routed_test(context: Context, adapters: Sequence[StoredAdapter], task: Task) -> Evaluation:
    """Return what the adapters answer to the test split of ``task``, each text given to the one that the router picks.

    Raises:
        InputError: the adapters cannot be routed among.
    """
    began = time.perf_counter()
    asked, kind = context.asked(task), KINDS.get(task.kind)
    rows = test_rows(asked, context.budget)
    logits = _logits(_state(context, adapters), rows, context, len(asked.labels))
    outcomes = kind.outcomes(rows, logits)
    scores = kind.scores(outcomes, len(asked.labels))
    return Evaluation(outcomes, scores, kind.digest(logits), time.perf_counter() - began)


def known_folders(context: Context, adapters: Sequence[StoredAdapter]) -> list[Path]:
    """Return the folders that hold what the router knows of the adapters."""
    router, backbone = context.settings.router, context.adaptation.backbone
    folders = part_folders(context.workspace, router, ROUTERS.get(router).settings(), adapters, backbone)
    return [folder for folder in folders if folder.is_dir()]


def _state(context: Context, adapters: Sequence[StoredAdapter]) -> RoutingState:
    """Return the router that knows ``adapters``; the other tests of the stage get the same one."""
    router, backbone = context.settings.router, context.adaptation.backbone
    routing_key = (router, *(adapter.id for adapter in adapters))
    if routing_key in context.routing:
        return context.routing[routing_key]
    require_routable(router, adapters, backbone)
    by_name = {task.name: task for task in context.tasks}

    def task_of(adapter: StoredAdapter) -> Task:
        return draw(by_name[adapter.manifest.task.name], context.budget, context.seed)

    settings, workspace = ROUTERS.get(router).settings(), context.workspace
    state = known_state(workspace, router, settings, adapters, backbone, task_of, context.listener)
    context.routing[routing_key] = state
    return state


def _logits(state: RoutingState, rows: Dataset, context: Context, labels: int) -> NDArray[Any]:
    """Return logits over all labels known by now (rows, labels); −∞ where the chosen adapter has none."""
    chosen, backbone = adapters_for_texts(state, rows).adapters, state.reader.backbone
    together = labels == len(context.tasks[0].labels)  # all tasks have the same labels; else they stand side by side
    logits = np.full((len(rows), labels), -np.inf, dtype=np.float32)
    for column in np.unique(chosen):
        positions = np.flatnonzero(chosen == column)
        model = open_adapter(state.adapters[column], backbone)
        own_logits = predict(model, rows.select(positions), backbone.tokenizer, context.budget.max_length)
        start = 0 if together else starts(context.tasks)[column]
        logits[positions, start : start + own_logits.shape[1]] = own_logits
    return logits
