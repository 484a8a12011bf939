"""A whole model from elsewhere is written as it came: its class's config, its weights under the class's names."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.adapters.stored_adapter import README
from adapter_workbench.workbench.answering.elsewhere.body_weights import narrow_type, narrowed
from adapter_workbench.workbench.answering.elsewhere.original_card import write_card
from adapter_workbench.workbench.backbone.model_folder import CONFIG, INDEX, weight_files
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods import card
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.layered_head import LINEAR, NORM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone

PROGRAM = "transformers"


def comes_back(manifest: Manifest) -> bool:
    """Return whether a model can be written in its original form: a transformers model with the head of its class.

    A language model on a base model has that one's output layer, and is written as any is that was trained here.
    """
    came = manifest.elsewhere
    is_classic = came is not None and came.program == PROGRAM and came.head is None
    return is_classic and (manifest.is_whole or manifest.task.kind not in GENERATED)


def write_back(stored: StoredAdapter, backbone: Backbone, folder: Path, front_matter: str) -> None:
    """Write a model of which :func:`comes_back` is true, its tokenizer and its card.

    Args:
        stored: the model.
        backbone: that it belongs to.
        folder: where to.
        front_matter: of the card.
    """
    manifest = stored.manifest
    if manifest.is_whole:
        _copy(stored, folder)
    else:
        _write_class(stored, folder)
        backbone.tokenizer.save_pretrained(folder)
    text = card.render(manifest, merged=True, standard=manifest.task.kind not in GENERATED)
    (folder / README).write_text(front_matter + text, encoding="utf-8")


def write_model(
    stored: StoredAdapter, backbone: Callable[[], Backbone], folder: Path, front_matter: str, usage: str
) -> None:
    """Write any whole model as it came, see :meth:`Form.write_back`.

    Args:
        stored: the model.
        backbone: opens the one that it belongs to.
        folder: where to.
        front_matter: of the card.
        usage: a program that opens a model without a head of its own.

    Raises:
        InputError: what came has no head of a class, and only its body's weights are here.
    """
    if comes_back(stored.manifest):
        write_back(stored, backbone(), folder, front_matter)
    elif stored.manifest.is_whole:
        _copy(stored, folder)
        write_card(stored.manifest, usage, folder, front_matter)
    else:
        message = f"{stored.id} has only the weights that replace those of its base model"
        raise InputError(message, where="--original", hint="--merge writes the whole model.")


def _copy(stored: StoredAdapter, folder: Path) -> None:
    """Copy the files of a model that is its own backbone."""
    for name in stored.manifest.all_files.keys() - {README, HEAD_FILE}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(stored.path(name), folder / name)


def _write_class(stored: StoredAdapter, folder: Path) -> None:
    """Write config and weights of the sender's class, one file after another; the head comes into the last."""
    assert stored.manifest.elsewhere is not None
    original = stored.manifest.elsewhere.original
    (folder / CONFIG).write_text(json.dumps(original["config"], indent=2), encoding="utf-8")
    narrow, left, file_of = narrow_type(stored.folder), _head(stored), dict[str, str]()
    files = weight_files(stored.folder)
    for file in files:
        tensors = {f"{original['prefix']}{name}": tensor for name, tensor in load_file(file).items()}
        left = {name: tensor for name, tensor in left.items() if name not in tensors}  # a pooler is of both
        if file is files[-1]:
            tensors |= {name: narrowed(tensor, narrow).contiguous() for name, tensor in left.items()}
        save_file(tensors, folder / file.name, {"format": "pt"})
        file_of |= dict.fromkeys(tensors, file.name)
    if len(files) > 1:
        index = {"metadata": {}, "weight_map": file_of}
        (folder / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")


def _head(stored: StoredAdapter) -> dict[str, Tensor]:
    """Return the tensors of the head by the names of the sender's class, rows in the order of its labels."""
    manifest = stored.manifest
    assert manifest.elsewhere is not None
    tensors = load_file(stored.folder / HEAD_FILE)
    layers = manifest.head.layers if manifest.head else (LINEAR,)
    weighted = [f"{index}." for index, layer in enumerate(layers) if layer in (LINEAR, NORM)] if manifest.head else [""]
    rows = [manifest.task.labels.index(label) for label in manifest.elsewhere.labels]
    named: dict[str, Tensor] = {}
    for (module, tensor_names), prefix in zip(
        reversed(manifest.elsewhere.original["head"].items()), reversed(weighted), strict=False
    ):
        for tensor_name in tensor_names:
            tensor = tensors[f"{prefix}{tensor_name}"]
            named[f"{module}.{tensor_name}"] = tensor[rows] if rows and prefix == weighted[-1] else tensor
    return named
