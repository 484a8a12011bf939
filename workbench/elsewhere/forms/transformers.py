"""transformers: ``config.json`` and safetensors, as ``save_pretrained`` and ``Trainer`` write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.adapter_folder import CONFIG as ADAPTER_CONFIG
from workbench.elsewhere.model_class import kinds_of
from workbench.elsewhere.model_files import require_weights
from workbench.elsewhere.whole_model import SentModel
from workbench.errors import InputError
from workbench.model_config import read_json
from workbench.model_folder import CONFIG, MODULES, check_folder, transformer_in

if TYPE_CHECKING:
    from workbench.elsewhere.form import Sent


class TransformersFolder:
    """Folders of whole models."""

    def fits(self, folder: Path) -> bool:
        """Return whether a model's config lies there, and no adapter's."""
        others = (folder / ADAPTER_CONFIG, folder / MODULES)
        return (folder / CONFIG).is_file() and not any(path.is_file() for path in others)

    def read(self, folder: Path) -> Sent:
        """Return what config and headers say; raises as :meth:`workbench.elsewhere.form.Form.read`."""
        return model_of(folder)


def model_of(folder: Path) -> SentModel:
    """Return the model in a folder, or in the folder of its transformer; raises as :func:`checked_config`."""
    transformer = transformer_in(folder)
    config = checked_config(transformer)
    kinds = kinds_of(config, str(transformer / CONFIG))
    _require_labels(config, transformer)
    return SentModel(folder, "transformers", config, kinds)


def checked_config(folder: Path) -> dict[str, Any]:
    """Return the config of a transformer's folder, whose files were looked at.

    Raises:
        InputError: something is missing or cannot be read.
        UnsafeConfigError: a file would lead a library to code or to another place, or the weights are pickled.
    """
    config = read_json(folder / CONFIG)
    require_weights(folder)
    check_folder(folder)
    return config


def _require_labels(config: dict[str, Any], folder: Path) -> None:
    """Raise InputError where the labels do not stand as transformers writes them: number → name."""
    named = config.get("id2label")
    if named is None:
        return
    numbers = isinstance(named, dict) and sorted(int(key) if str(key).isdecimal() else -1 for key in named)
    if not numbers or numbers != [*range(len(numbers))] or not all(isinstance(name, str) for name in named.values()):
        hint = 'It has a name for each number from 0, as {"0": "negative", "1": "positive"}.'
        raise InputError("id2label names no labels", where=str(folder / CONFIG), hint=hint)


FORM = TransformersFolder()
