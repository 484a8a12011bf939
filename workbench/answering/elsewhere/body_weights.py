"""The body of a sender's model as the library ``plain`` loads it here: the backbone's names, in the types that came."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.architecture import UNREAD, skeleton
from adapter_workbench.workbench.backbone.model_folder import INDEX, WEIGHTS
from adapter_workbench.workbench.backbone.stored_tensors import stored_in
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

    from adapter_workbench.workbench.backbone.pretrained import Backbone

NARROW = {"BF16": "bfloat16", "F16": "float16"}
SHARD = 1 << 31  # bytes of a file


def body_of(model: Any, prefix: str, base: Backbone, where: Path) -> dict[str, Tensor]:
    """Return the tensors of the transformer inside a sender's model, by the names that the backbone has for them.

    Tensors that are one in the model come once, by the first of their names.

    Args:
        model: of the sender's class, with its weights.
        prefix: the transformer's name in it, with a dot.
        base: the backbone.
        where: the sender's folder.

    Raises:
        InputError: a tensor of the backbone has none that belongs to it.
    """
    skeleton_state = skeleton(base.config).state_dict(keep_vars=True)
    inside = hasattr(model, prefix.removesuffix("."))
    body: dict[str, Tensor] = {}
    known: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        own = name.removeprefix(prefix) if inside and name.startswith(prefix) else "" if inside else name
        if own in skeleton_state and id(tensor) not in known:
            known.add(id(tensor))
            body[own] = tensor.detach()
    needed = {id(tensor): name for name, tensor in reversed(skeleton_state.items()) if not name.startswith(UNREAD)}
    if lacking := sorted({*needed.values()} - body.keys()):
        message = f"the backbone has {lacking[0]}, but the sender's program has not"
        raise InputError(message, where=str(where), hint="Its own program can still be used.")
    return body


def write_body(body: Mapping[str, Tensor], source: Path, folder: Path) -> None:
    """Write a body's weights into ``folder``, in files of at most 2 GiB.

    Args:
        body: name → tensor, in float32.
        source: the folder of its transformer: what came in 16 bits is written in 16 bits, which is the same numbers.
        folder: where to.
    """
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file

    narrow = narrow_type(source)
    parts = split_torch_state_dict_into_shards(dict(body), max_shard_size=SHARD)
    for file, names in parts.filename_to_tensors.items():
        tensors = {name: narrowed(body[name], narrow).contiguous() for name in names}
        save_file(tensors, folder / file, metadata={"format": "pt"})
    if parts.is_sharded:
        content = {"metadata": parts.metadata, "weight_map": parts.tensor_to_filename}
        (folder / INDEX).write_text(json.dumps(content, indent=1), encoding="utf-8")
    assert parts.is_sharded or (folder / WEIGHTS).is_file()


def narrow_type(source: Path) -> torch.dtype | None:
    """Return the type of 16 bits that most tensors of a checkpoint have; None where most have another."""
    import torch

    types = Counter(tensor.type for tensor in (stored_in(source) or {}).values())
    [(most, _)] = types.most_common(1) or [("", 0)]
    return getattr(torch, NARROW[most]) if most in NARROW else None


def narrowed(tensor: Tensor, narrow: torch.dtype | None) -> Tensor:
    """Return a tensor in fewer bits where that loses nothing."""
    if narrow is None or not tensor.is_floating_point():
        return tensor
    short = tensor.to(narrow)
    return short if bool((short.to(tensor.dtype) == tensor).all()) else tensor
