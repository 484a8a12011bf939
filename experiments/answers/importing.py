"""Taking in an adapter of somebody else's: what its backbone is called here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.backbone_names import BACKBONES, bits_of, open_backbone
from workbench.choosing import readable
from workbench.errors import InputError
from workbench.store import importable
from workbench.stored_adapter import StoredAdapter
from workbench.stored_model import backbone_of

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.manifest import Manifest
    from workbench.store import AdapterStore


def imported(store: AdapterStore, folder: Path, backbone: str | None = None) -> StoredAdapter:
    """Copy an exported adapter into ``store``; see :meth:`experiments.answers.exchange.Exchange.import_adapter`.

    The name of the backbone in the folder is its sender's. It may be a path on another machine, or one that leads to
    something else here, so it counts only where it is a registered name.
    """
    manifest = importable(folder)
    if manifest.is_whole:
        name = _itself(manifest, folder, backbone)
    else:
        name = _confirmed(manifest, backbone) if backbone else _known(manifest, store)
    return store.import_(folder, name)


def _itself(manifest: Manifest, folder: Path, backbone: str | None) -> str:
    """Return what the backbone of a whole model is called; its folder is looked at as any model's."""
    if backbone:
        message = f"{manifest.id} is a whole model, and its own backbone"
        raise InputError(message, where="--backbone", hint="Leave --backbone out.")
    backbone_of(StoredAdapter(manifest, folder))
    return manifest.backbone.name


def _confirmed(manifest: Manifest, backbone: str) -> str:
    opened = open_backbone(backbone, "--backbone").quantized(manifest.backbone.quantization, "--backbone")
    if opened.fingerprint != manifest.backbone.fingerprint:
        message = f"{manifest.id} was not trained on {backbone!r}: these are other weights"
        raise InputError(message, where="--backbone", hint=_senders_name(manifest))
    return opened.name


def _known(manifest: Manifest, store: AdapterStore) -> str:
    reference = manifest.backbone
    if reference.name.removesuffix(f":{bits_of(reference.name)}") in BACKBONES.names():
        return reference.name
    for backbone in (manifest.backbone for manifest in readable(store)):
        if backbone.fingerprint == reference.fingerprint:
            return backbone.name
    hint = f"Name it: workbench adapters import DIR --backbone NAME. {_senders_name(manifest)}"
    raise InputError(f"the backbone of {manifest.id} is not known in this workspace", hint=hint)


def _senders_name(manifest: Manifest) -> str:
    reference = manifest.backbone
    called = f"the hub id {reference.hub_id!r}" if reference.hub_id else f"{reference.name!r}"
    return f"Its sender calls it {called}."
