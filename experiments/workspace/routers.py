"""What a router knows of each adapter, and how it scores validation texts: computed once, and stored."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch

from adapter_workbench.experiments.workspace.damage import DamagePolicy
from adapter_workbench.fusion.routing.rejection import Rejection, floors
from adapter_workbench.fusion.routing.route import (
    RoutingState,
    fit_part,
    load_part,
    part_key,
    reader_for,
    save_part,
    scores_key,
)
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.workbench.errors import UnwritableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from datasets import Dataset

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.routing.routers import Part, RouterSettings
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task


def part_folders(
    workspace: Workspace,
    router: str,
    settings: RouterSettings,
    adapters: Sequence[StoredAdapter],
    backbone: Backbone,
) -> list[Path]:
    """Return for each adapter the folder of what the router knows of it, whether or not it is there."""
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
    """Return a router that knows ``adapters``; what it learned of an adapter before is read from the workspace.

    ``task_of`` gives the examples that an adapter was trained on. It is called only for adapters that the router does
    not know yet, and for all of them before any is learned, so that a missing task is an error at once. Damaged parts
    are learned again; in a workspace that cannot be written, nothing is stored.
    """
    damage = DamagePolicy(listener)
    card, reader = ROUTERS.get(router), reader_for(adapters, backbone)
    folders = part_folders(workspace, router, settings, adapters, backbone)
    parts = [_known_part(folder, workspace, damage) for folder in folders]
    tasks = [
        task_of(adapter) if part is None and card.reads_data else None
        for adapter, part in zip(adapters, parts, strict=True)
    ]

    def learn(adapter: StoredAdapter, task: Task | None, folder: Path) -> Part:
        if task:
            listener.say(f"router {router}: reading the training examples of {adapter.id}")
        part = fit_part(router, settings, adapter, task, reader)
        with suppress(UnwritableError):  # it is learned again the next time
            save_part(folder, part, router, settings, adapter)
        return part

    known = [
        learn(adapter, task, folder) if part is None else part
        for adapter, part, task, folder in zip(adapters, parts, tasks, folders, strict=True)
    ]
    return RoutingState(router, settings, tuple(adapters), tuple(known), reader)


def with_floors(
    workspace: Workspace,
    state: RoutingState,
    rejection: Rejection | None,
    validation_of: Callable[[StoredAdapter], Dataset],
    listener: Listener,
) -> RoutingState:
    """Return a router that rejects texts which fit none of its tasks, as ``rejection`` says; None: it rejects none.

    How it scores the validation texts of its tasks is stored in the workspace. ``validation_of`` gives the texts of an
    adapter's task; it is called only where they were not scored yet. Floors that ``state`` has do not count.
    """
    if rejection is None:
        return state
    if rejection.share is None:
        return state.with_floors(np.full(len(state.adapters), rejection.least, dtype=float))
    folder, damage = workspace.router(scores_key(state)), DamagePolicy(listener)
    known = _known_part(folder, workspace, damage)
    if known is None:
        rows = [validation_of(adapter) for adapter in state.adapters]
        listener.say(f"router {state.router}: scoring {sum(map(len, rows)):,} validation texts of its tasks")
        keeping = state.keeping()
        choices = [adapters_for_texts(keeping, texts) for texts in rows]
        known = {
            "chosen": torch.from_numpy(np.concatenate([choice.adapters for choice in choices])),
            "scores": torch.from_numpy(np.concatenate([choice.scores for choice in choices]).astype(float)),
        }
        with suppress(UnwritableError):
            save_part(folder, known, state.router, state.settings, *state.adapters)
    chosen, scores = known["chosen"].numpy(), known["scores"].numpy()
    return state.with_floors(floors(chosen, scores, len(state.adapters), rejection.share))


def _known_part(folder: Path, workspace: Workspace, damage: DamagePolicy) -> Part | None:
    """Return what a folder holds, which is compared with its digests once; None if nothing undamaged is there."""

    def load() -> Part | None:
        part = load_part(folder, compared=folder.name in workspace.known.sound)
        if part is not None:
            workspace.known.sound.add(folder.name)
        return part

    try:
        return damage.read(folder, load)
    except UnwritableError:
        return None  # the damaged one cannot be deleted
