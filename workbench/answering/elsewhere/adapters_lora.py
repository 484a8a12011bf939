"""LoRA and (IA)³ of the package ``adapters`` in the form of peft, which computes the same.

So they are composed, merged and served as all other LoRAs are. The package's LoRA adds (α / r) B A x, as peft's does;
its (IA)³ multiplies what a matrix gives by a vector, in the feed-forward block too, where peft's own would multiply
what the next matrix is given.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS, TASK_TYPE
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.libraries.adapters import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

START = "base_model.model."  # of the names in a file of peft


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


def document(config: Any) -> dict[str, Any]:
    """Return a configuration of peft as a manifest keeps it."""
    content: dict[str, Any] = json.loads(json.dumps(config.to_dict(), default=_as_json))
    return content


def write(body: Any, method: str, folder: Path) -> None:
    """Write the adapter on ``body`` into ``folder`` as peft does."""
    from safetensors.torch import save_file

    config_of_peft(body, method).save_pretrained(str(folder))
    save_file({f"{START}{name}": tensor.contiguous().clone() for name, tensor in _tensors(body)}, folder / PEFT_WEIGHTS)


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
