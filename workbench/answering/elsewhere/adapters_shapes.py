"""Whether the tensors that the package ``adapters`` stored are those of their configs, before memory is asked for."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open

from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS
from adapter_workbench.workbench.answering.elsewhere import adapters_head
from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.libraries.adapters import NAME, prepare, require_loaded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.workbench.answering.elsewhere.adapters_config import SavedAdapter
    from adapter_workbench.workbench.answering.elsewhere.adapters_head import HeadConfig
    from adapter_workbench.workbench.backbone.pretrained import Backbone


def require_shapes(saved: SavedAdapter, folder: Path, backbone: Backbone) -> None:
    """Make sure that an adapter has all its tensors, and each its size.

    Raises:
        InputError: one has another size; the first is named.
        ValueError: one is missing.

    Args:
        saved: what the configs say.
        folder: with the weights.
        backbone: the base model.
    """
    from adapters import AdapterConfig
    from adapters.loading import AdapterLoader

    body: Any = copy.deepcopy(skeleton(backbone.config))
    with torch.device("meta"):
        prepare(body)
        body.add_adapter(NAME, config=AdapterConfig.load(dict(saved.config)))
    loader, start = AdapterLoader(body), f"{body.base_model_prefix}."
    is_of_adapter, renamed = loader.filter_func(NAME), loader.rename_func(saved.document["name"], NAME)
    expected = {name: list(tensor.shape) for name, tensor in body.state_dict().items()}
    stored = set[str]()
    for name, shape in _shapes(folder / ADAPTERS_WEIGHTS).items():
        own = renamed(name).removeprefix(start)
        stored.add(own)
        if shape != (wanted := expected.get(own, shape)):
            message = f"{name} is {_sizes(shape)}, but its config asks for {_sizes(wanted)} on {backbone.name}"
            raise InputError(message, where=str(saved.folder))
    require_loaded(body, [name for name in expected if is_of_adapter(f".{name}") and name not in stored])
    if saved.head and saved.head.flexible:
        _require_head(saved.head, saved.head.flexible, _shapes(folder / adapters_head.WEIGHTS))


def _require_head(head: HeadConfig, config: Any, shapes: dict[str, list[int]]) -> None:
    layers = [shape for name, shape in shapes.items() if name.startswith("heads.") and name.endswith(".weight")]
    rows, columns = {shape[0] for shape in layers}, {shape[-1] for shape in layers}
    possible: dict[str, Any] = {
        "layers": range(1, len(layers) + 1),
        "num_labels": rows,
        "vocab_size": rows,
        "embedding_size": columns,
    }
    for name, values in possible.items():
        if config.get(name) is not None and config[name] not in values:
            message = f"{name}: {config[name]!r}, but its weights are {', '.join(map(_sizes, layers))}"
            raise InputError(message, where=head.where)


def _shapes(path: Path) -> dict[str, list[int]]:
    with safe_open(path, framework="pt") as tensors:
        return {name: tensors.get_slice(name).get_shape() for name in sorted(tensors.keys())}


def _sizes(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "one number"
