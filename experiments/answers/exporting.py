"""Giving an adapter to somebody else: as a folder that is ready for the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.workspace.evaluating import known_evaluation
from adapter_workbench.tasks.reading.text_files import path_of
from adapter_workbench.workbench.backbone.names import backbone_available
from adapter_workbench.workbench.errors import InputError, WorkbenchError
from adapter_workbench.workbench.files.atomic import new_folder
from adapter_workbench.workbench.methods.stored_model import backbone_of, require_backbone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter_workbench.experiments.requests.export import ExportRequest
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.sent_form import SentForm
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener


def export_adapter(request: ExportRequest, workspace: Workspace, listener: Listener) -> Path:
    """Write an adapter, which is named by its id; see :meth:`Exchange.export`."""
    from adapter_workbench.workbench.answering.elsewhere.forms import form_of
    from adapter_workbench.workbench.answering.elsewhere.written_back import comes_back, write_back
    from adapter_workbench.workbench.answering.hub_card import front_matter
    from adapter_workbench.workbench.answering.merging import require_mergeable, save_merged
    from adapter_workbench.workbench.answering.standard_model import require_form, save_standard

    folder, backbone, form = path_of(request.folder), request.backbone, request.form
    workspace.require_elsewhere(folder)
    stored = workspace.adapters.verify(request.adapter)
    evaluation, back = known_evaluation(workspace, stored), comes_back(stored.manifest)
    standard = form is not None or (back and (request.merge or stored.manifest.is_whole))
    about = front_matter(
        stored.manifest, evaluation.scores if evaluation else {}, merged=request.merge, standard=standard
    )
    if request.original:
        with new_folder(folder) as new:
            form_of(stored.manifest).write_back(stored, lambda: backbone_of(stored, backbone), new, about)
        return folder
    if not request.merge:
        rewrite = _for_peft(stored, backbone, listener)
        return workspace.adapters.export(stored.id, folder, about, rewrite)
    require_mergeable(stored.manifest)
    if form:
        require_form(stored.manifest, form)
    with new_folder(folder) as new:
        opened = backbone_of(stored, backbone)
        if back:
            write_back(stored, opened, new, about)
        elif form:
            save_standard(stored, opened, form, new, about)
        else:
            save_merged(stored, opened, new, about)
    return folder


def _for_peft(stored: StoredAdapter, given: str | None, listener: Listener) -> Callable[[Path], SentForm] | None:
    """Return what gives the folder of an adapter of peft the form in which peft opens it; None for any other."""
    from adapter_workbench.workbench.answering.for_peft.exported import is_of_peft, write_for_peft
    from adapter_workbench.workbench.answering.for_peft.placed import placed

    if not is_of_peft(stored.manifest):
        if given:
            message = f"{stored.id} is exported as it is stored: no backbone is read or written"
            raise InputError(message, where="--backbone", hint="Leave it out.")
        return None

    def rewrite(folder: Path) -> SentForm:
        backbone = _backbone_at_hand(stored, given)
        if backbone is None:
            listener.say(
                f"The backbone of {stored.id} is not on this machine, so that the folder is written for the "
                "transformer without a head (AutoModel); --backbone NAME says where it is."
            )
        return write_for_peft(stored, placed(stored, backbone), folder)

    return rewrite


def _backbone_at_hand(stored: StoredAdapter, given: str | None) -> Backbone | None:
    """Return the adapter's backbone; None where it is not on this machine, and nobody says where it is.

    Raises:
        InputError: what is ``given`` cannot be opened, or is another backbone.
    """
    try:
        if given is None and backbone_available(stored.manifest.backbone.name).state == "download":
            return None
        backbone = backbone_of(stored, given).quantized(stored.manifest.backbone.quantization)
        require_backbone(stored, backbone)
    except WorkbenchError:
        if given:
            raise
        return None
    return backbone
