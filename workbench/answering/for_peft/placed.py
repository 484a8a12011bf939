"""A stored adapter of peft on the class that answers its task, or on the bare transformer, with why.

Its head becomes the layers of that class, if these compute the same logits.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS, read_config
from adapter_workbench.workbench.answering.elsewhere.peft_config import matching
from adapter_workbench.workbench.answering.elsewhere.peft_weights import START
from adapter_workbench.workbench.answering.elsewhere.sender_class import blank_class, transformer_prefix
from adapter_workbench.workbench.answering.for_peft.config_document import for_class
from adapter_workbench.workbench.answering.for_peft.names_in_class import (
    patterns_in_class,
    targets_in_class,
    tensors_in_class,
)
from adapter_workbench.workbench.answering.for_peft.task_class import BARE, TaskClass, class_of
from adapter_workbench.workbench.answering.standard_model import head_layers, in_units, write_head
from adapter_workbench.workbench.backbone.model_folder import tensor_names
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.libraries._peft_targets import targets_by_name
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import open_adapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone

LIBRARIES = ("peft", "hypernetwork", "prompts")  # whose folder is one adapter of peft
PROMPTS = "prompts"
FEEDFORWARD = "feedforward_modules"  # of what IA3 adapts
POOLER = "pooler"


@dataclass(frozen=True)
class Placed:
    """An adapter as peft opens it."""

    model: TaskClass  # the class that it is put on
    config: dict[str, Any]  # the content of its config
    # stored tensor → what it is called there; empty where none changes
    names: Mapping[str, str] = field(default_factory=dict)
    head: Mapping[str, Tensor] = field(default_factory=dict)  # tensors of the class's head, by their names in the file
    why: str = ""  # why the class is not the one that answers the task; empty where it is


def placed(stored: StoredAdapter, backbone: Backbone | None) -> Placed:
    """Return an adapter on the class that answers its task, if that then gives the same logits; else on none.

    Args:
        stored: the adapter, of one of :data:`LIBRARIES`.
        backbone: that it belongs to; None where it is not at hand.
    """
    config = read_config(stored.folder)
    try:
        if backbone is None:
            raise InputError("its backbone was not at hand when it was exported")
        return _in_class(stored, backbone, config)
    except InputError as error:
        return Placed(BARE, for_class(config, BARE.task_type, _base(stored, config), {}), why=error.what)


@dataclass(frozen=True)
class ClassHead:
    """The layers between the transformer and the logits."""

    modules: tuple[str, ...]  # the outermost of them, by their names in the class
    tensors: dict[str, Tensor]  # all of their weights, by their names in the class


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


def _in_class(stored: StoredAdapter, backbone: Backbone, config: Mapping[str, Any]) -> Placed:
    """Return an adapter on the class that answers its task; raises InputError where that cannot have it, with why."""
    kind, task_class = stored.manifest.task.kind, class_of(stored.manifest, backbone)
    model = blank_class(backbone, kind, task_class.options.get("num_labels", 1))
    prefix, is_prompt = transformer_prefix(model), stored.manifest.library == PROMPTS
    changes = {} if is_prompt else _modules(stored, backbone, config, model, prefix)
    head = None if kind in GENERATED else _head(stored, backbone, model, is_prompt, prefix)
    if head:
        changes["modules_to_save"] = sorted({*(changes.get("modules_to_save") or ()), *head.modules})
    names = tensors_in_class(tensor_names(stored.folder / PEFT_WEIGHTS), prefix)
    in_file = {f"{START}{name}": tensor for name, tensor in head.tensors.items()} if head else {}
    same = not in_file and all(name == other for name, other in names.items())
    document = for_class(config, task_class.task_type, _base(stored, config), changes)
    return Placed(task_class, document, {} if same else names, in_file)


def _modules(
    stored: StoredAdapter, backbone: Backbone, config: Mapping[str, Any], model: Any, prefix: str
) -> dict[str, Any]:
    """Return the keys of a config that name modules, with what these are called in the class."""
    from peft import PeftConfig

    adapted = targets_by_name(PeftConfig.from_pretrained(stored.folder), backbone.config)
    there = {name for name, _ in model.named_modules()}
    whole, tokens = config.get("modules_to_save") or (), config.get("trainable_token_indices") or {}
    if tokens and stored.manifest.task.kind in GENERATED and backbone.config.tie_word_embeddings:
        raise InputError("the embeddings of some tokens were trained, and peft would tie the output layer to them")
    inside = {name: f"{prefix}{name}" for name in (*adapted, *whole, *tokens)}
    if lacking := next((name for name, full in inside.items() if full not in there), None):
        raise InputError(f"it has no {lacking}")
    subset = matching(config.get(FEEDFORWARD) or ())
    targets, feedforward = targets_in_class(
        model, (inside[name] for name in adapted), (inside[name] for name in adapted if subset(name))
    )
    return {
        "target_modules": targets,
        "modules_to_save": [inside[name] for name in whole] or None,
        **({FEEDFORWARD: feedforward} if FEEDFORWARD in config else {}),
        **({"trainable_token_indices": {inside[name]: tokens[name] for name in tokens}} if tokens else {}),
        **patterns_in_class(config, prefix),
    }


def _head(stored: StoredAdapter, backbone: Backbone, model: Any, is_prompt: bool, prefix: str) -> ClassHead:
    """Return the head in the class's layers; raises InputError where it cannot be there."""
    if is_prompt:
        raise InputError("it would read the states of the virtual tokens too")
    if backbone.quantization:
        raise InputError("its head would be packed with the backbone")
    head = class_head(stored, backbone, model)
    if isinstance(head, str):
        raise InputError(f"`{type(model).__name__}` computes its logits in another way: {head}")
    prefixes = tuple(f"{START}{module}." for module in head.modules)
    adapted = tensors_in_class(tensor_names(stored.folder / PEFT_WEIGHTS), prefix).values()
    if name := next((name for name in adapted if name.startswith(prefixes)), None):
        raise InputError(f"the adapter has {name.removeprefix(START)}, where its head would be")
    return head


def _base(stored: StoredAdapter, config: Mapping[str, Any]) -> str:
    """Return what the backbone is called in the folder: by the hub, if it is known there."""
    reference = stored.manifest.backbone
    return reference.hub_id or config.get("base_model_name_or_path") or reference.name


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
