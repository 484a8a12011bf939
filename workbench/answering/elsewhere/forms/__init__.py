"""One module for each program whose folders are taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.answering.elsewhere.form import Form
from adapter_workbench.workbench.answering.elsewhere.misnamed import nothing_here
from adapter_workbench.workbench.answering.elsewhere.weight_files import require_plain
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder

FORMS = Modules[Form]("form of folder", __name__, "FORM", Form)


def form_of(manifest: Manifest) -> Form:
    """Return the form in which an adapter came; raises InputError where the workbench made it."""
    if manifest.elsewhere is None:
        hint = "Without --original it is written in the workbench's own form."
        message = f"{manifest.id} was made by the workbench, so it has no other original form"
        raise InputError(message, where="--original", hint=hint)
    return FORMS.get(manifest.elsewhere.program)


def read_folder(folder: Path) -> SentFolder:
    """Return what the files of a folder say that another program wrote.

    Raises:
        InputError: no such folder, links in it, no program's form, or as :meth:`Form.read`.
        UnsafeConfigError: as that.
    """
    require_plain(folder)
    for name in FORMS.names():
        form = FORMS.get(name)
        if form.fits(folder):
            return form.read(folder)
    raise nothing_here(folder)
