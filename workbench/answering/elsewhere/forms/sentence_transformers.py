"""sentence-transformers: ``modules.json``, a transformer and a pooling, without a head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.answering.elsewhere.forms.transformers import checked_config, model_of
from adapter_workbench.workbench.answering.elsewhere.setfit_head import OF_TRANSFORMER
from adapter_workbench.workbench.answering.elsewhere.setfit_head import WEIGHTS as HEAD
from adapter_workbench.workbench.answering.elsewhere.weight_files import require_plain
from adapter_workbench.workbench.answering.elsewhere.whole_model import SentModel
from adapter_workbench.workbench.backbone.config import read_json
from adapter_workbench.workbench.backbone.model_folder import CONFIG, MODULES, sentence_modules, transformer_in
from adapter_workbench.workbench.backbone.names import ANOTHER_POOLING, stated_pooling
from adapter_workbench.workbench.backbone.tokenizer_files import SETTINGS
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone

TRANSFORMER, POOLING, NORMALIZE = "Transformer", "Pooling", "Normalize"
OF_MODEL = "config_sentence_transformers.json"
LOWER = "do_lower_case"  # what the program does to a text, and what a tokenizer does by itself
ALONE = "The transformer alone can be a backbone, which reads texts as they are: workbench train TASK --backbone DIR."
HINT = f"Or train on its transformer. {ANOTHER_POOLING}"
USAGE = """\
from sentence_transformers import SentenceTransformer

vectors = SentenceTransformer(folder).encode(texts)
"""


class SentenceTransformersFolder:
    def fits(self, folder: Path) -> bool:
        """Return whether the folder has a list of modules, and no head beside them that can be read."""
        return (folder / MODULES).is_file() and not (folder / HEAD).is_file()

    def read(self, folder: Path) -> SentFolder:
        """Return what config and modules say; raises as :meth:`Form.read`."""
        return sentence_model(folder)

    def write_back(
        self, stored: StoredAdapter, backbone: Callable[[], Backbone], folder: Path, front_matter: str
    ) -> None:
        """Write the model as it came; raises as :meth:`Form.write_back`."""
        from adapter_workbench.workbench.answering.elsewhere.written_back import write_model

        write_model(stored, backbone, folder, front_matter, USAGE)


def sentence_model(folder: Path) -> SentModel:
    """Return the model in a folder, without a head.

    A vector's length, which ``Normalize`` makes 1, does not count: a head is fitted on what is pooled. A transformer
    alone, as that of a cross-encoder, is a model of transformers'.

    Raises:
        InputError: its modules cannot be repeated, or as :func:`checked_config`.
        UnsafeConfigError: as that.
    """
    modules = [(kind.rpartition(".")[2], subfolder) for kind, subfolder in sentence_modules(folder)]
    require_plain(folder, *(subfolder for _, subfolder in modules if subfolder))
    _require_texts_unchanged(folder)
    if [kind for kind, _ in modules] == [TRANSFORMER]:
        return model_of(folder)
    if [kind for kind, _ in modules if kind != NORMALIZE] != [TRANSFORMER, POOLING]:
        named = ", ".join(kind for kind, _ in modules)
        hint = f"Taken in are: {TRANSFORMER}, {POOLING}, {NORMALIZE}. The transformer alone can be a backbone."
        raise InputError(f"these modules cannot be repeated: {named}", where=str(folder / MODULES), hint=hint)
    pooling = stated_pooling(folder / modules[1][1] / CONFIG, HINT)
    return SentModel(folder, "sentence-transformers", checked_config(transformer_in(folder)), (), pooling)


def _require_texts_unchanged(folder: Path) -> None:
    """Make sure that the program reads texts as they are given.

    Raises:
        InputError: it puts them into small letters, and its tokenizer would not, or puts a prompt before each.
    """
    transformer = transformer_in(folder)
    for path in sorted(transformer.glob(OF_TRANSFORMER)):
        if read_json(path).get(LOWER) and not _stated(transformer / SETTINGS).get(LOWER):
            raise InputError("its program puts texts into small letters first", where=str(path), hint=ALONE)
    stated = _stated(folder / OF_MODEL)
    prompts, name = stated.get("prompts"), stated.get("default_prompt_name")
    if isinstance(prompts, dict) and isinstance(name, str) and (prompt := prompts.get(name)):
        message = f"its program puts the prompt {prompt!r} before each text"
        raise InputError(message, where=str(folder / OF_MODEL), hint=ALONE)


def _stated(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


FORM = SentenceTransformersFolder()
