"""From the store to a model and back: a trained model becomes a stored adapter, a stored adapter a model again."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from adapter_workbench.workbench.adapters.manifest import BackboneReference, Manifest, TaskReference, read_manifest
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import model_in, open_backbone
from adapter_workbench.workbench.errors import InputError, IntegrityError
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods import card
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.document import Document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.backbone.pretrained import Backbone, Pooling
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


def describe(
    adapter_id: str, task: Task, adaptation: Adaptation, budget: Budget, seed: int, record: FitRecord
) -> Manifest:
    """Return the manifest of an adapter that has just been made; ``files`` is filled in when it is kept."""
    return Manifest(
        id=adapter_id,
        task=_task_reference(task),
        backbone=_backbone_reference(adaptation.backbone),
        method=adaptation.method,
        library=adaptation.card.library,
        settings=adaptation.settings.model_dump(mode="json"),
        budget=budget,
        precision=adaptation.precision,
        seed=seed,
        fit=record,
        metrics={} if record.validation is None else {f"validation_{KINDS.get(task.kind).metric}": record.validation},
        versions=versions(),
        code=METHODS.code(adaptation.method),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=None if adaptation.described is None else dict(adaptation.described),
    )


def keep(model: TaskModel, adaptation: Adaptation, manifest: Manifest, store: AdapterStore) -> StoredAdapter:
    """Put a model's adapter and head into the store under ``manifest.id``; the model is taken apart for it.

    Raises:
        IntegrityError: the backbone below has changed although the method says that it does not.
    """
    from adapter_workbench.workbench.methods.adaptation import HEAD_FILE, save_head

    def write(folder: Path) -> None:
        adaptation.library.save(model.body, folder)
        save_head(model.head, folder / HEAD_FILE)
        _name_backbone(folder, adaptation.backbone)
        (folder / "README.md").write_text(card.render(manifest), encoding="utf-8")
        if not adaptation.card.trains_backbone and not adaptation.backbone_is_intact(model):
            raise IntegrityError(f"{adaptation.method} changed weights of the backbone, which have to stay frozen")

    return store.save(manifest, write)


def _name_backbone(folder: Path, backbone: Backbone) -> None:
    """Put the hub id where a library has written this machine's path of the backbone into its own config."""
    for config in folder.rglob("*_config.json") if backbone.hub_id else ():
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace(json.dumps(str(backbone.folder)), json.dumps(backbone.hub_id)), encoding="utf-8")


def backbone_of(stored: StoredAdapter, given: str | None = None) -> Backbone:
    """Return the backbone that a stored adapter belongs to, wherever the workspace is now.

    That of a whole model is called as the model's folder is: what is made on it is found by that name, and beside the
    model where the workspace was moved.

    Args:
        stored: the adapter.
        given: where its backbone is, if not where it was: a name, a hub id or a folder.

    Raises:
        InputError: nothing is there, or no model.
        UnknownNameError: no such name.
        UnsafeConfigError: the model's config asks for foreign code.
        AssetError: the bytes cannot be fetched.
    """
    if given:
        return open_backbone(given, "--backbone")
    name = stored.manifest.backbone.name
    whole_model = stored if stored.manifest.is_whole else _whole_beside(stored) if _is_gone(name) else None
    if whole_model is None:
        return open_backbone(name)
    reference, folder = whole_model.manifest.backbone, whole_model.model_folder.resolve()
    return model_in(folder, str(folder), reference.pooling, reference.hub_id, reference.license)


def _is_gone(name: str) -> bool:
    return Path(name).is_absolute() and not Path(name).exists()


def _whole_beside(stored: StoredAdapter) -> StoredAdapter | None:
    """Return the whole model in the same store whose weights an adapter's backbone has."""
    for folder in sorted(stored.folder.parent.iterdir()):
        with suppress(IntegrityError):
            other = StoredAdapter(read_manifest(folder), folder)
            if other.manifest.is_whole and other.manifest.backbone.fingerprint == stored.manifest.backbone.fingerprint:
                return other
    return None


def open_adapter(stored: StoredAdapter, backbone: Backbone) -> TaskModel:
    """Return the model of a stored adapter on ``backbone``.

    Raises:
        InputError: the adapter belongs to another backbone, or is not what its manifest says.
    """
    require_openable(stored, backbone)
    head = open_head(stored, backbone)
    return adaptation_of(stored.manifest, backbone).load(stored.folder, head, stored.manifest.task.kind)


def open_for(stored: StoredAdapter, backbone: Backbone, task: Task) -> TaskModel:
    """Return the model of a stored adapter with its logits as ``task`` reads them, which has the same labels.

    Raises:
        InputError: as :func:`open_adapter`.
    """
    from adapter_workbench.workbench.methods.posed_head import posed

    model = open_adapter(stored, backbone)
    head = posed(model.head, stored.manifest.task, task)
    return model if head is model.head else model.under(head)


def open_remapped(
    stored: StoredAdapter, backbone: Backbone, sources: Sequence[Sequence[int]], fresh: nn.Module | None = None
) -> TaskModel:
    """Return the model of a stored adapter under a head for other labels, which come from its own ones.

    Args:
        stored: an adapter for a classification.
        backbone: the one that it belongs to.
        sources: for each label the positions of the adapter's labels that it comes from.
        fresh: a linear head for these labels, whose rows those without a source get; without it they are never given.

    Raises:
        InputError: as :func:`open_adapter`, or the head is not one linear layer.
    """
    from adapter_workbench.workbench.methods.heads import remapped

    model = open_adapter(stored, backbone)
    if sources == tuple((position,) for position in range(len(stored.manifest.task.labels))):
        return model
    head: Any = model.head
    if stored.manifest.head is not None or not head.state_dict():
        raise InputError(f"the head of {stored.id} is not one linear layer, and its labels cannot change")
    return model.under(remapped(head, sources, cast("Any", fresh)))


def under_head_of(stored: StoredAdapter, model: TaskModel, backbone: Backbone, task: Task) -> TaskModel:
    """Return the body of ``model`` under the head of a stored adapter, with its logits as ``task`` reads them.

    It answers as that adapter does, which may be of another kind than ``model``.
    """
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.posed_head import posed

    head, kind = posed(open_head(stored, backbone), stored.manifest.task, task), KINDS.get(stored.manifest.task.kind)
    return TaskModel(model.body, head, kind, pooling_of(stored.manifest, backbone), model.precision).eval()


def require_openable(stored: StoredAdapter, backbone: Backbone) -> None:
    """Make sure that an adapter can answer on ``backbone``, of its weights no more than that they can be read.

    Raises:
        InputError: it belongs to another backbone, reads more tokens than that can, or is not what its manifest says.
    """
    require_backbone(stored, backbone)
    adaptation = adaptation_of(stored.manifest, backbone)
    tokens = stored.manifest.budget.max_length
    backbone.require_length(tokens, str(stored.folder), adaptation.settings.virtual_tokens)
    adaptation.require_described(stored.folder)


def require_described(stored: StoredAdapter, backbone: Backbone) -> None:
    """Make sure that an adapter's files say what its manifest says; raises as :meth:`Adaptation.require_described`."""
    adaptation_of(stored.manifest, backbone).require_described(stored.folder)


def open_head(stored: StoredAdapter, backbone: Backbone) -> nn.Module:
    """Return a stored adapter's head alone."""
    from adapter_workbench.workbench.methods.adaptation import HEAD_FILE

    task = stored.manifest.task
    adaptation = adaptation_of(stored.manifest, backbone)
    return adaptation.stored_head(stored.folder / HEAD_FILE, task.kind, len(task.labels)).eval()


def pooling_of(manifest: Manifest, backbone: Backbone) -> Pooling:
    """Return how token states become what an adapter's head reads: as they did when it was trained.

    Copies of a backbone with the same weights may state another pooling. A whole model is its own backbone.
    """
    if manifest.head:
        return manifest.head.pooling
    return backbone.pooling if manifest.is_whole else manifest.backbone.pooling


def require_backbone(stored: StoredAdapter, backbone: Backbone) -> None:
    """Raise InputError where a stored adapter does not belong to ``backbone``."""
    reference = stored.manifest.backbone
    if reference.fingerprint != backbone.fingerprint:
        hint = "Their weights have different fingerprints; give the backbone that it was trained on."
        message = f"adapter {stored.id} was trained on {reference.name!r}, not on {backbone.name!r}"
        if reference.name == backbone.name:
            message = f"adapter {stored.id} was trained on {reference.name!r} with other weights than it has now"
            hint = "Give those that it was trained on; an earlier revision on the hub is OWNER/NAME@REVISION."
        raise InputError(message, hint=hint)


def adaptation_of(manifest: Manifest, backbone: Backbone) -> Adaptation:
    """Return the adaptation that a manifest describes.

    Raises:
        InputError: no such method, or one that has no such settings or is of another library.
    """
    card = METHODS.get(manifest.method)
    settings = Document({"settings": manifest.settings}, f"the manifest of {manifest.id}").parse_part(
        ("settings",), manifest.settings, card.settings
    )
    if manifest.library != card.library:
        message = f"the manifest says library {manifest.library!r}, but {manifest.method} belongs to {card.library!r}"
        raise InputError(message, where=manifest.id)
    from adapter_workbench.workbench.methods.adaptation import (
        Adaptation,  # it imports torch; mistakes are reported before that
    )

    precision = resolve_precision(manifest.precision)
    backbone = replace(backbone, weights=manifest.budget.weights) if manifest.budget.weights != "auto" else backbone
    if manifest.head is None and (pooling := pooling_of(manifest, backbone)) != backbone.pooling:
        backbone = replace(backbone, pooling=pooling)
    config, head, is_whole = manifest.config, manifest.head, manifest.is_whole
    return Adaptation(backbone, manifest.method, settings, precision, config, head, is_whole)


def _task_reference(task: Task) -> TaskReference:
    return TaskReference(**{name: getattr(task, name) for name in TaskReference.model_fields})


def _backbone_reference(backbone: Backbone) -> BackboneReference:
    return BackboneReference(**{name: getattr(backbone, name) for name in BackboneReference.model_fields})
