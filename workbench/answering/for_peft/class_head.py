"""An adapter's head in the layers of a class of transformers, if that computes the same logits."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.answering.standard_model import head_layers, in_units, write_head
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import open_adapter

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone

POOLER = "pooler"


@dataclass(frozen=True)
class ClassHead:
    """The layers between the transformer and the logits.

    Attributes:
        modules: the outermost of them, by their names in the class.
        tensors: all of their weights, by their names in the class.
    """

    modules: tuple[str, ...]
    tensors: dict[str, Tensor]


def class_head(stored: StoredAdapter, backbone: Backbone, model: Any) -> ClassHead | str:
    """Return the head as the class has it, or in what the class differs.

    The adapter's own model is opened in float32, and its body is put into the class, so that no weight is there twice.

    Args:
        stored: the adapter; its method changes the modules of the transformer, and stands nowhere else.
        backbone: that it belongs to.
        model: the class, without numbers; it gets the body and the head.
    """
    name = model.base_model_prefix
    manifest = stored.manifest.model_copy(update={"precision": "fp32"})
    opened = open_adapter(replace(stored, manifest=manifest), backbone)
    wrapped: Any = opened.body
    body: Any = wrapped.get_base_model()
    blank: Any = getattr(model, name, None)
    if type(body) is not type(blank):
        return "it has another transformer"
    exact = TaskModel(opened.body, in_units(opened.head, manifest), opened.kind, opened.pooling, "fp32").eval()
    if getattr(body, POOLER, None) is not None:
        body.pooler = None if getattr(blank, POOLER, None) is None else copy.deepcopy(body.pooler)
    setattr(model, name, body)
    for child, module in model.named_children():
        if child != name:
            _fill_with_zeros(module)
    if why := write_head(exact, model.eval(), backbone, manifest.head):
        return why
    modules = tuple(dict.fromkeys(_outermost(layer, name) for layer in head_layers(model)))
    weights = model.state_dict()
    tensors = {
        weight: tensor.detach().clone().contiguous()
        for weight, tensor in weights.items()
        if weight.startswith(tuple(f"{module}." for module in modules))
    }
    return ClassHead(modules, tensors)


def _outermost(layer: str, body: str) -> str:
    """Return the module of a class that a layer of its head lies in; the pooler lies in the transformer."""
    first, _, rest = layer.partition(".")
    return f"{body}.{POOLER}" if first == body and rest else first


def _fill_with_zeros(module: Any) -> None:
    """Give a module numbers that was made without any."""
    module.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.zero_()
