"""The model of the package ``adapters`` that a sender trained, and what is taken over from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG
from adapter_workbench.workbench.answering.elsewhere import adapters_head, adapters_lora
from adapter_workbench.workbench.answering.elsewhere.adapters_config import OF_PEFT
from adapter_workbench.workbench.answering.elsewhere.adapters_head import layers_of
from adapter_workbench.workbench.answering.elsewhere.adapters_program import with_adapter, with_head
from adapter_workbench.workbench.answering.elsewhere.adapters_shapes import require_shapes
from adapter_workbench.workbench.answering.elsewhere.form import Sender
from adapter_workbench.workbench.answering.elsewhere.peft_config import settings as settings_of_peft
from adapter_workbench.workbench.answering.elsewhere.sender_class import (
    base_prefix,
    head_modules,
    own_class,
    require_known,
)
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.layered_head import ACTIVATIONS
from adapter_workbench.workbench.methods.libraries.adapters import LIBRARY, NAME, load_whole, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.workbench.answering.elsewhere.adapters_config import SavedAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone

WITH_PREFIXES = ("prefix", "mam", "unipelt")
POOLER = "pooler."


def sender_of(saved: SavedAdapter, folder: Path, backbone: Backbone, kind: str | None, outputs: int) -> Sender:
    """Return the sender's program; raises what the package raises where files do not fit the backbone.

    Args:
        saved: what the files say.
        folder: with those files alone that may be read.
        backbone: the base model.
        kind: of task; None where no head is taken.
        outputs: how many logits there are.
    """
    require_shapes(saved, folder, backbone)
    # the other attentions of transformers mask a prefix wrongly where no text is padded
    attention = "eager" if saved.method in WITH_PREFIXES else None
    body: Any = backbone.load()
    prepare(body)
    load_whole(body, folder, NAME)
    head: Mapping[str, nn.Module] = {}
    if kind is None or saved.head is None:
        program = with_adapter(own_class(backbone, None, 0).model, folder, attention)
    else:
        program, drawn = with_head(backbone, saved.head, kind, outputs, folder, attention)
        if kind in GENERATED:
            _require_own_output(program, backbone, kind, saved.head.where)
        else:
            head = _head(program, backbone, kind)
        outside = {name for name in drawn if not name.startswith("heads.") and f".{POOLER}" in f".{name}"}
        require_known((), outside if any(POOLER in name for name in head) else (), str(saved.folder))
    return Sender(
        program=program,
        head=head,
        **_body(body, saved, backbone),
    )


def _body(body: Any, saved: SavedAdapter, backbone: Backbone) -> dict[str, Any]:
    """Return what is stored of an adapted body: settings, the library's config, and what writes the weights."""
    if saved.method in OF_PEFT:
        described = adapters_lora.document(adapters_lora.config_of_peft(body, saved.method))
        return {
            "settings": settings_of_peft(described, saved.method),
            "config": described,
            "write": lambda folder: adapters_lora.write(body, saved.method, folder),
        }
    return {
        "settings": saved.settings,
        "config": body.adapters_config.get(NAME).to_dict(),
        "write": _writing(body, saved, backbone.hub_id or saved.base),
    }


def _writing(body: Any, saved: SavedAdapter, base: str | None) -> Callable[[Path], None]:
    """Return what writes an adapter as the package does, with the base model's name in place of a path of here.

    The sender's head is written beside it, so that the package opens what is exported with its head.
    """
    head = load_file(saved.folder / adapters_head.WEIGHTS) if saved.head else {}

    def write(folder: Path) -> None:
        LIBRARY.save(body, folder)
        path = folder / CONFIG
        config = {**json.loads(path.read_text(encoding="utf-8")), "model_name": base}
        path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
        if saved.head and saved.head.kinds:
            document, tensors = adapters_head.head_named(saved.head, head, NAME)
            text = json.dumps({**document, "model_name": base}, indent=2, sort_keys=True)
            (folder / adapters_head.CONFIG).write_text(text, encoding="utf-8")
            save_file(tensors, folder / adapters_head.WEIGHTS)

    return write


def _require_own_output(program: Any, backbone: Backbone, kind: str, where: str) -> None:
    """Make sure that a language model's head is the backbone's own output layer; raises InputError."""
    own: Any = KINDS.get(kind).head(backbone, 0)
    layer = program.get_output_embeddings()
    is_one = not hasattr(program, "heads") or len(program.heads[NAME]) == 1
    pairs = zip((own.weight, own.bias), (layer.weight, layer.bias), strict=True)
    if not is_one or not all(_are_equal(*pair) for pair in pairs):
        message = "its head was trained, and answers are generated here with the base model's own output layer"
        raise InputError(message, where=where, hint="Its own program can still be used.")


def _are_equal(first: Tensor | None, second: Tensor | None) -> bool:
    """Return whether two tensors have the same numbers; a bias that is missing is zeros."""
    if first is None or second is None:
        return not any(tensor is not None and tensor.any() for tensor in (first, second))
    return torch.equal(first, second)


def _head(program: Any, backbone: Backbone, kind: str) -> Mapping[str, nn.Module]:
    """Return the layers between the transformer and the logits, see :class:`Sender`."""
    if not hasattr(program, "heads"):
        prefix = base_prefix(backbone, kind)
        poolers = {} if kind == "token-classification" else _pooler(program, prefix)
        return {**poolers, **{name: program.get_submodule(name) for name in head_modules(backbone, kind)}}
    head = program.heads[NAME]
    own = layers_of(head)
    if not head.config.get("use_pooler"):
        return own
    pooler = _pooler(program, f"{program.base_model_prefix}.")
    return {**pooler, "tanh": ACTIVATIONS["tanh"](), **own}


def _pooler(program: Any, prefix: str) -> dict[str, nn.Module]:
    """Return the transformer's own layers that a head alone reads."""
    return {
        name: module
        for name, module in program.named_modules()
        if isinstance(module, nn.Linear) and f"{name}.".startswith(f"{prefix}{POOLER}")
    }
