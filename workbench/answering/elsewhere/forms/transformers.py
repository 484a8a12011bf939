"""transformers: ``config.json`` and safetensors, as ``save_pretrained`` and ``Trainer`` write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG as ADAPTER_CONFIG
from adapter_workbench.workbench.answering.elsewhere.label_names import labels_of
from adapter_workbench.workbench.answering.elsewhere.model_class import kinds_of
from adapter_workbench.workbench.answering.elsewhere.model_files import require_weights
from adapter_workbench.workbench.answering.elsewhere.weight_files import require_floats
from adapter_workbench.workbench.answering.elsewhere.whole_model import SentModel
from adapter_workbench.workbench.backbone.config import read_json
from adapter_workbench.workbench.backbone.model_folder import (
    CONFIG,
    MODULES,
    check_folder,
    transformer_in,
    weight_files,
)
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone

MOST_LABELS = 100_000
USAGE = """\
from transformers import AutoModel, AutoTokenizer

model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
output = model(**tokenizer(texts, padding=True, return_tensors="pt"))
"""


class TransformersFolder:
    """Folders of whole models."""

    def fits(self, folder: Path) -> bool:
        """Return whether the folder has a model's config and no adapter's."""
        others = (folder / ADAPTER_CONFIG, folder / MODULES)
        return (folder / CONFIG).is_file() and not any(path.is_file() for path in others)

    def read(self, folder: Path) -> SentFolder:
        """Return what config and headers say; raises as :meth:`Form.read`."""
        return model_of(folder)

    def write_back(
        self, stored: StoredAdapter, backbone: Callable[[], Backbone], folder: Path, front_matter: str
    ) -> None:
        """Write the model as it came; raises as :meth:`Form.write_back`."""
        from adapter_workbench.workbench.answering.elsewhere.written_back import write_model

        write_model(stored, backbone, folder, front_matter, USAGE)


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
    for path in weight_files(folder):
        require_floats(path, allow_positions=True)
    return config


def _require_labels(config: dict[str, Any], folder: Path) -> None:
    """Raise InputError unless the labels are written as transformers does: number → name."""
    where, count = str(folder / CONFIG), config.get("num_labels")
    if count is not None and not (type(count) is int and 1 <= count <= MOST_LABELS):
        raise InputError(f"num_labels: {count!r} is not a number of labels", where=where)
    labels_of(config, where)


FORM = TransformersFolder()
