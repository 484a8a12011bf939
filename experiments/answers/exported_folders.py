"""Import of a folder that ``adapters export`` wrote, here or elsewhere: what its backbone is called here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.adapters.name_resolution import readable_adapters
from adapter_workbench.workbench.adapters.store import importable
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import backbone_available, is_registered
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import backbone_of

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.answers.import_options import Source
    from adapter_workbench.experiments.answers.known_here import KnownHere
    from adapter_workbench.workbench.adapters.manifest import BackboneReference, Manifest


def import_exported(here: KnownHere, folder: Path, source: Source) -> StoredAdapter:
    """Copy an exported adapter into the workspace; see :meth:`Exchange.import_adapter`.

    The name of the backbone in the folder is its sender's. It may be a path on another machine, or one that leads to
    something else here, so it counts only where it is a registered name.
    """
    manifest = importable(folder)
    _require_agreeing(manifest, source)
    if manifest.is_whole:
        name = _itself(manifest, folder, source)
    else:
        name = _confirmed(manifest, source, here) if source.options.backbone else _known(manifest, here)
    return here.adapters.import_(folder, name)


def _itself(manifest: Manifest, folder: Path, source: Source) -> str:
    """Return what the backbone of a whole model is called; its folder is looked at as any model's."""
    if source.options.backbone:
        message = f"{manifest.id} is a whole model, and its own backbone"
        raise InputError(message, where=source.at("backbone"), hint="Leave it out.")
    backbone_of(StoredAdapter(manifest, folder))
    return manifest.backbone.name


def _require_agreeing(manifest: Manifest, source: Source) -> None:
    """Raise InputError where something else is said of an exported adapter than its manifest says."""
    stated_there = {
        "task": manifest.task.name,
        "labels": manifest.task.labels,
        "max_length": manifest.budget.max_length,
    }
    for option, value in stated_there.items():
        stated = getattr(source.options, option)
        if stated is not None and stated != value:
            shown = ", ".join(value) if isinstance(value, tuple) else value
            message = f"{manifest.id} was exported from a workspace, and its manifest says: {shown}"
            raise InputError(message, where=source.at(option), hint="Leave it out.")
    if source.options.backbone_to:
        message = "this adapter was exported by the workbench, and belongs to a model that has its words"
        raise InputError(message, where=source.at("backbone_to"), hint="Leave it out.")
    if source.options.link:
        message = f"{manifest.id} was exported from a workspace, and is copied"
        raise InputError(message, where=source.at("link"), hint="Leave it out.")
    if source.options.name is not None:
        message = f"an adapter that was exported from a workspace keeps its id, {manifest.id}"
        raise InputError(message, where=source.at("name"), hint="Leave it out.")


def _confirmed(manifest: Manifest, source: Source, here: KnownHere) -> str:
    backbone, where = source.options.backbone or "", source.at("backbone")
    opened = here.backbone(backbone, where).quantized(manifest.backbone.quantization, where)
    if opened.fingerprint != manifest.backbone.fingerprint:
        message = f"{manifest.id} was not trained on {backbone!r}: these are other weights"
        raise InputError(message, where=where, hint=_senders_name(manifest))
    return opened.name


def _known(manifest: Manifest, here: KnownHere) -> str:
    reference = manifest.backbone
    registered = is_registered(reference.name)
    if registered and _may_be_its_base(reference, here):
        return reference.name
    for adapter in readable_adapters(here.adapters):
        if adapter.manifest.backbone.fingerprint == reference.fingerprint:
            is_whole = adapter.manifest.is_whole
            return str(adapter.model_folder.resolve()) if is_whole else adapter.manifest.backbone.name
    hint = f"Name it: workbench adapters import DIR --backbone NAME. {_senders_name(manifest)}"
    if registered:
        message = f"{manifest.id} was trained on other weights than those of {reference.name!r} here"
        raise InputError(message, hint=hint)
    raise InputError(f"the backbone of {manifest.id} is not known in this workspace", hint=hint)


def _may_be_its_base(reference: BackboneReference, here: KnownHere) -> bool:
    """Return whether the registered backbone of that name has the weights that were trained on, as far as is known.

    One that is not on this machine yet is not fetched for it, and one in few bits is not packed: it is compared when
    the adapter is opened.
    """
    if reference.quantization or backbone_available(reference.name).state != "here":
        return True
    return here.backbone(reference.name).fingerprint == reference.fingerprint


def _senders_name(manifest: Manifest) -> str:
    reference = manifest.backbone
    called = f"the hub id {reference.hub_id!r}" if reference.hub_id else f"{reference.name!r}"
    return f"Its sender calls it {called}."
