"""SetFit: a model of sentence-transformers, and a head on its vectors, ``model_head.safetensors``.

SetFit itself saves that head as a pickle; :mod:`.setfit_head` says how it becomes one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.workbench.answering.elsewhere.forms.sentence_transformers import NORMALIZE, sentence_model
from adapter_workbench.workbench.answering.elsewhere.setfit_head import PICKLED, WEIGHTS, read_head
from adapter_workbench.workbench.backbone.model_folder import MODULES, sentence_modules
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone

PROGRAM = "setfit"


class SetFitFolder:
    """Folders of SetFit whose head was made readable."""

    def fits(self, folder: Path) -> bool:
        """Return whether the folder has a list of modules and a head."""
        return all((folder / name).is_file() for name in (MODULES, WEIGHTS))

    def read(self, folder: Path) -> SentFolder:
        """Return what config, modules and head say; raises as :meth:`Form.read`."""
        model = sentence_model(folder)
        if model.pooling is None:
            raise InputError(
                "the modules of this folder make no vectors, which a head of SetFit reads", where=str(folder)
            )
        normalizes = any(kind.endswith(f".{NORMALIZE}") for kind, _ in sentence_modules(folder))
        return replace(model, program=PROGRAM, kinds=("classification",), head=read_head(folder, normalizes))

    def write_back(
        self, stored: StoredAdapter, backbone: Callable[[], Backbone], folder: Path, front_matter: str
    ) -> None:
        """Refuse: SetFit reads its head from a pickle alone."""
        hint = (
            f"Its own folder is as it was. Without --original, README.md has a program that answers without {PICKLED}."
        )
        raise InputError("SetFit reads its head from a pickle, and none is written", where="--original", hint=hint)


FORM = SetFitFolder()
