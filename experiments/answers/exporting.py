"""Giving an adapter to somebody else: as a folder that is ready for the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.workspace.evaluating import known_evaluation
from workbench.files.atomic import new_folder
from workbench.methods.stored_model import backbone_of

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.workspace import Workspace


def export_adapter(
    workspace: Workspace,
    adapter: str,
    folder: Path,
    merge: bool,
    backbone: str | None,
    form: str | None = None,
    original: bool = False,
) -> Path:
    """Write the adapter with the id ``adapter``; see :meth:`experiments.answers.exchange.Exchange.export`."""
    from workbench.answering.elsewhere.forms import form_of
    from workbench.answering.elsewhere.written_back import comes_back, write_back
    from workbench.answering.hub_card import front_matter
    from workbench.answering.merging import require_mergeable, save_merged
    from workbench.answering.standard_model import require_form, save_standard

    workspace.require_elsewhere(folder)
    stored = workspace.adapters.verify(adapter)
    evaluation, back = known_evaluation(workspace, stored), comes_back(stored.manifest)
    standard = form is not None or (back and (merge or stored.manifest.is_whole))
    about = front_matter(stored.manifest, evaluation.scores if evaluation else {}, merged=merge, standard=standard)
    if original:
        with new_folder(folder) as new:
            form_of(stored.manifest).write_back(stored, lambda: backbone_of(stored, backbone), new, about)
        return folder
    if not merge:
        return workspace.adapters.export(stored.id, folder, about)
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
