"""What a router knows of each adapter, on disk: it is read where it is there, and else learned and kept."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from experiments.workspace.mending import Mending
from fusion.route import RoutingState, fit_part, load_part, part_key, reader_for, save_part
from fusion.routing import ROUTERS
from workbench.errors import UnwritableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from experiments.workspace import Workspace
    from fusion.routing import Part, RouterSettings
    from workbench.backbone import Backbone
    from workbench.listener import Listener
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task


def part_folders(
    workspace: Workspace,
    router: str,
    settings: RouterSettings,
    adapters: Sequence[StoredAdapter],
    backbone: Backbone,
) -> list[Path]:
    """Return for each adapter where what the router knows of it is, or would be."""
    reader = reader_for(adapters, backbone)
    return [workspace.router(part_key(router, settings, adapter, reader)) for adapter in adapters]


def known_state(
    workspace: Workspace,
    router: str,
    settings: RouterSettings,
    adapters: Sequence[StoredAdapter],
    backbone: Backbone,
    task_of: Callable[[StoredAdapter], Task],
    listener: Listener,
) -> RoutingState:
    """Return a router that knows ``adapters``; what it learned of an adapter before is read, not learned again.

    ``task_of`` gives the examples that an adapter was trained on; it is asked only for what is not known yet, and
    before anything is learned, so that what is missing is said at once. What is damaged is learned again; where nothing
    can be written, what was learned is not kept.
    """
    mending = Mending(listener)
    card, reader = ROUTERS.get(router), reader_for(adapters, backbone)
    folders = part_folders(workspace, router, settings, adapters, backbone)
    parts = [_known_part(folder, workspace, mending) for folder in folders]
    tasks = [
        task_of(adapter) if part is None and card.reads_data else None
        for adapter, part in zip(adapters, parts, strict=True)
    ]

    def learned(adapter: StoredAdapter, task: Task | None, folder: Path) -> Part:
        if task:
            listener.say(f"router {router}: reading the training examples of {adapter.id}")
        part = fit_part(router, settings, adapter, task, reader)
        with suppress(UnwritableError):  # the answers are the same, the next question takes as long again
            save_part(folder, part, router, settings, adapter)
        return part

    known = [
        learned(adapter, task, folder) if part is None else part
        for adapter, part, task, folder in zip(adapters, parts, tasks, folders, strict=True)
    ]
    return RoutingState(router, settings, tuple(adapters), tuple(known), reader)


def _known_part(folder: Path, workspace: Workspace, mending: Mending) -> Part | None:
    """Return what is in a folder, which is compared with its digests once; None where nothing sound is there."""

    def read() -> Part | None:
        part = load_part(folder, compared=folder.name in workspace.sound)
        if part is not None:
            workspace.sound.add(folder.name)
        return part

    try:
        return mending.known(folder, read)
    except UnwritableError:
        return None  # the damaged one cannot be taken away
