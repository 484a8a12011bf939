"""sentence-transformers: ``modules.json``, a transformer and a pooling, without a head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.elsewhere.forms.transformers import checked_config
from workbench.elsewhere.whole_model import SentModel
from workbench.errors import InputError
from workbench.model_config import read_json
from workbench.model_folder import CONFIG, MODULES, sentence_modules, transformer_in

if TYPE_CHECKING:
    from workbench.backbone import Pooling
    from workbench.elsewhere.form import Sent

TRANSFORMER, POOLING, NORMALIZE = "Transformer", "Pooling", "Normalize"
POOLINGS: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "first", "lasttoken": "last"}
SHORT: dict[str, Pooling] = {"mean": "mean", "cls": "first", "lasttoken": "last"}  # as later versions call them
PREFIX = "pooling_mode_"
HINT = "Taken in are: mean, cls and lasttoken. Or use the transformer with another pooling as a backbone."


class SentenceTransformersFolder:
    """Folders of sentence-transformers."""

    def fits(self, folder: Path) -> bool:
        """Return whether a list of modules lies there."""
        return (folder / MODULES).is_file()

    def read(self, folder: Path) -> Sent:
        """Return what config and modules say; raises as :meth:`workbench.elsewhere.form.Form.read`.

        A vector's length, which ``Normalize`` makes 1, does not count: a head is fitted on what is pooled.
        """
        modules = [(kind.rpartition(".")[2], place) for kind, place in sentence_modules(folder)]
        if [kind for kind, _ in modules if kind != NORMALIZE] != [TRANSFORMER, POOLING]:
            named = ", ".join(kind for kind, _ in modules)
            hint = f"Taken in are: {TRANSFORMER}, {POOLING}, {NORMALIZE}. The transformer alone can be a backbone."
            raise InputError(f"these modules cannot be repeated: {named}", where=str(folder / MODULES), hint=hint)
        pooling = _pooling(folder / modules[1][1] / CONFIG)
        config = checked_config(transformer_in(folder))
        return SentModel(folder, "sentence-transformers", config, (), pooling)


def _pooling(path: Path) -> Pooling:
    """Return the pooling that a module's config states; raises InputError where there is no such one here."""
    stated = read_json(path)
    modes = [key.removeprefix(PREFIX) for key, value in stated.items() if key.startswith(PREFIX) and value is True]
    known = POOLINGS
    if isinstance(mode := stated.get("pooling_mode"), str):
        modes, known = [mode], SHORT
    if len(modes) != 1 or modes[0] not in known:
        named = " and ".join(modes) or "none"
        raise InputError(f"this pooling cannot be repeated: {named}", where=str(path), hint=HINT)
    return known[modes[0]]


FORM = SentenceTransformersFolder()
