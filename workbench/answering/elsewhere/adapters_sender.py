"""The model of the package ``adapters`` that a sender trained, and what is taken over from it.

Its LoRA and (IA)³ are taken over in the form of peft, which computes the same: so they are composed, merged and served
as all other LoRAs are. The package's LoRA adds (α / r) B A x, as peft's does; its (IA)³ multiplies what a matrix gives
by a vector, in the feed-forward block too, where peft's own would multiply what the next matrix is given.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, CONFIG, PEFT_WEIGHTS, TASK_TYPE
from adapter_workbench.workbench.answering.elsewhere import adapters_head
from adapter_workbench.workbench.answering.elsewhere.adapters_config import OF_PEFT
from adapter_workbench.workbench.answering.elsewhere.adapters_head import layers_of
from adapter_workbench.workbench.answering.elsewhere.adapters_program import with_adapter, with_head
from adapter_workbench.workbench.answering.elsewhere.form import Sender
from adapter_workbench.workbench.answering.elsewhere.peft_config import settings as settings_of_peft
from adapter_workbench.workbench.answering.elsewhere.sender_class import (
    base_prefix,
    head_modules,
    own_class,
    require_known,
)
from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.layered_head import ACTIVATIONS
from adapter_workbench.workbench.methods.libraries.adapters import LIBRARY, NAME, load_whole, prepare, require_loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.workbench.answering.elsewhere.adapters_config import SavedAdapter
    from adapter_workbench.workbench.answering.elsewhere.adapters_head import HeadConfig
    from adapter_workbench.workbench.backbone.pretrained import Backbone

WITH_PREFIXES = ("prefix", "mam", "unipelt")
POOLER = "pooler."
START = "base_model.model."  # of the names in a file of peft


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


def config_of_peft(body: Any, method: str) -> Any:
    """Return peft's configuration of the adapter on ``body``, a model of the package; each module by its whole name.

    Raises:
        InputError: a matrix that holds several others, which the package splits and peft does not.
    """
    from peft import IA3Config, LoraConfig

    own = body.adapters_config.get(NAME)
    modules = {name: layer for name, layer, _ in _updates(body)}
    common: dict[str, Any] = {"task_type": TASK_TYPE, "target_modules": sorted(modules), "inference_mode": True}
    common["fan_in_fan_out"] = any(layer.fan_in_fan_out for layer in modules.values())
    if method == "ia3":
        return IA3Config(feedforward_modules=[], **common)
    rank, alpha, dropout = own.r, own.alpha, own.dropout
    return LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, **common)


def document_of_peft(config: Any) -> dict[str, Any]:
    """Return a configuration of peft as a manifest keeps it."""
    content: dict[str, Any] = json.loads(json.dumps(config.to_dict(), default=_as_json))
    return content


def write_as_peft(body: Any, method: str, folder: Path) -> None:
    """Write the adapter on ``body`` into ``folder`` as peft does."""
    from safetensors.torch import save_file

    config_of_peft(body, method).save_pretrained(str(folder))
    save_file({f"{START}{name}": tensor.contiguous().clone() for name, tensor in _tensors(body)}, folder / PEFT_WEIGHTS)


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


def _body(body: Any, saved: SavedAdapter, backbone: Backbone) -> dict[str, Any]:
    """Return what is stored of an adapted body: settings, the library's config, and what writes the weights."""
    if saved.method in OF_PEFT:
        described = document_of_peft(config_of_peft(body, saved.method))
        return {
            "settings": settings_of_peft(described, saved.method),
            "config": described,
            "write": lambda folder: write_as_peft(body, saved.method, folder),
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


def _tensors(body: Any) -> Iterator[tuple[str, Tensor]]:
    for name, _, lora in _updates(body):
        parts: Mapping[str, Tensor] = dict(lora.named_parameters())
        if lora.composition_mode == "scale":
            yield f"{name}.ia3_l", (parts["lora_B"] * lora.scaling).detach().reshape(-1, 1)
            continue
        yield f"{name}.lora_A.weight", parts["lora_A"].detach()
        yield f"{name}.lora_B.weight", parts["lora_B"].detach()


def _updates(body: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each matrix that the adapter changes: its name, the layer, and what is beside it."""
    from adapters.methods.lora import LoRALinear

    for name, layer in body.named_modules():
        if NAME not in getattr(layer, "loras", {}):
            continue
        if not isinstance(layer, LoRALinear):
            message = f"{name} holds several matrices in one; the package adapts each of them, and peft cannot"
            raise InputError(message, hint="Train it with peft on this architecture.")
        yield name, layer, layer.loras[NAME]


def _as_json(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else getattr(value, "value", str(value))


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
