"""Which adapters are served: those that a person names, or one for each task of the workspace; nothing is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from adapter_workbench.experiments.answers.naming import (
    adapter_id,
    adapter_of_each_task,
    left_by_experiments,
    require_some,
)
from adapter_workbench.workbench.adapters.name_resolution import readable
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import backbone_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener

LIST = "`workbench adapters list` shows what there is."
VERIFY = "`workbench adapters verify` says what is wrong."


@dataclass(frozen=True)
class Selection:
    """What is to be served."""

    adapters: tuple[StoredAdapter, ...]  # without damage, all of one backbone
    backbone: Backbone  # theirs
    by_task: dict[str, str]  # task → id of the adapter that answers for it


def select(
    workspace: Workspace,
    names: Sequence[str],
    backbone: str | None,
    task_folders: Sequence[Path],
    listener: Listener,
    served: Backbone | None = None,
) -> Selection:
    """Return what ``names`` mean; without names, an adapter for each task that has some on the backbone.

    Args:
        workspace: where the adapters are.
        names: ids, their beginnings, or tasks (:func:`adapter_workbench.experiments.answers.naming.adapter_id`).
        backbone: where the backbone is; else that of the adapters, if they have one in common.
        task_folders: of the person's own tasks.
        listener: hears which adapter stands for a task, and why.
        served: the backbone that is served already; without names, adapters on others are left out.

    Raises:
        UnknownNameError: no adapter is meant.
        InputError: there are none, or they are on several backbones.
        IntegrityError: an adapter is damaged.
    """
    require_some(workspace)
    named_backbone = open_backbone(backbone, "--backbone") if backbone else None
    if names:
        adapters = _selected_by_name(workspace, names, named_backbone, task_folders, listener)
        by_task = adapter_of_each_task(workspace, (adapter.manifest for adapter in adapters))
    else:
        called = backbone or (served.name if served else None)
        by_task = adapter_of_each_task(workspace, _readable(workspace, named_backbone or served, called), listener)
        adapters = tuple(map(workspace.adapters.verify, by_task.values()))
    _require_one_backbone(adapters, named_backbone)
    opened = named_backbone or backbone_of(adapters[0])
    return Selection(adapters, opened, by_task)


def _selected_by_name(
    workspace: Workspace,
    names: Sequence[str],
    named_backbone: Backbone | None,
    task_folders: Sequence[Path],
    listener: Listener,
) -> tuple[StoredAdapter, ...]:
    """Return the adapters that ``names`` mean; for a task one on ``named_backbone``, or on that of the first."""
    fingerprints = [named_backbone.fingerprint] if named_backbone else []  # of the backbone, as soon as it is known
    by_id: dict[str, StoredAdapter] = {}

    def fits(manifest: Manifest) -> bool:
        return fingerprints in ([], [manifest.backbone.fingerprint])

    for name in names:
        stored = workspace.adapters.verify(adapter_id(workspace, name, listener, task_folders, suits=fits))
        by_id[stored.id] = stored
        fingerprints = fingerprints or [stored.manifest.backbone.fingerprint]
    return tuple(by_id.values())


def _readable(workspace: Workspace, only: Backbone | None, backbone: str | None) -> list[Manifest]:
    """Return the adapters on one backbone, which may be ``only``, called ``backbone``.

    Those that experiments left, and those made for a comparison alone (of shuffled answers, of several tasks mixed),
    are served only by name.
    """
    manifests = [
        manifest
        for manifest in readable(workspace.adapters)
        if (only is None or manifest.backbone.fingerprint == only.fingerprint) and not manifest.task.for_comparison
    ]
    if not manifests and backbone is None:
        raise InputError("no adapter here can be read", where=str(workspace.root), hint=VERIFY)
    if not manifests:
        raise InputError(f"no adapter here is on {backbone!r}", where=str(workspace.root), hint=LIST)
    left, manifests = manifests, workspace.origins.in_service(manifests)
    if not manifests:
        message = f"there are {len(left)} adapters here, and nobody asked for one: experiments left them"
        hint = f"{left_by_experiments(workspace, left)} Or name those to serve: workbench serve ID…"
        raise InputError(message, where=str(workspace.root), hint=hint)
    if len({manifest.backbone.fingerprint for manifest in manifests}) > 1:
        _refuse(manifests, "Choose one: --backbone NAME. Or name the adapters.")
    return manifests


def _require_one_backbone(adapters: Sequence[StoredAdapter], named_backbone: Backbone | None) -> None:
    manifests = [adapter.manifest for adapter in adapters]
    prints = {manifest.backbone.fingerprint for manifest in manifests} | (
        {named_backbone.fingerprint} if named_backbone else set()
    )
    if len(prints) > 1:
        _refuse(manifests, f"Serve those of one backbone. {LIST}")


def _refuse(manifests: Sequence[Manifest], hint: str) -> NoReturn:
    by_backbone: dict[str, list[str]] = {}
    for manifest in manifests:
        by_backbone.setdefault(manifest.base_name, []).append(manifest.id)
    listed = "; ".join(f"{name} ({ids[0]}{', …' if len(ids) > 1 else ''})" for name, ids in sorted(by_backbone.items()))
    raise InputError(f"one backbone is served, and these adapters are on others or several: {listed}", hint=hint)
