"""The router that says whether a row would go to another task: class means, which need no training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.adapter_task import on_data_here
from adapter_workbench.experiments.answers.naming import adapter_of_each_task
from adapter_workbench.experiments.answers.routed_predictions import suits, training_task
from adapter_workbench.experiments.workspace.routers import known_state
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.workbench.adapters.name_resolution import readable
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task

ROUTER = "prototype"


def router_beside(
    workspace: Workspace, stored: StoredAdapter, backbone: Backbone, task_folders: Sequence[Path], listener: Listener
) -> RoutingState | None:
    """Return a router that knows ``stored`` and one adapter of each other task on its backbone.

    None where there is no other task, a router has nothing to do with such answers, or examples of a task are not to be
    had; ``listener`` hears of these.
    """
    card, manifest = ROUTERS.get(ROUTER), stored.manifest
    if not suits(manifest, manifest.task.pair, card.libraries):
        return None
    others = [
        other
        for other in readable(workspace.adapters)
        if other.task.name != manifest.task.name
        and other.backbone.fingerprint == manifest.backbone.fingerprint
        and suits(other, manifest.task.pair, card.libraries)
    ]
    ids = adapter_of_each_task(workspace, workspace.origins.in_service(others)).values()
    if not ids:
        return None

    def task_of(adapter: StoredAdapter) -> Task:
        return training_task(adapter, task_folders)

    try:
        adapters = on_data_here([stored, *map(workspace.adapters.verify, ids)], task_folders)
        return known_state(workspace, ROUTER, card.settings(), adapters, backbone, task_of, listener)
    except InputError as error:
        listener.say(f"No router was asked: {error.what}.")
        return None
