"""Which matrices a LoRA of peft adapts, and how: what peft itself makes of a config, on a model without numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, read_config
from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.backbone.module_patterns import require_bounded_patterns
from adapter_workbench.workbench.machine.quiet import without_advice
from adapter_workbench.workbench.methods.libraries._described import BESIDE, as_json
from adapter_workbench.workbench.methods.libraries._packed_layers import asking_for_packed

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PretrainedConfig

START = "base_model.model."  # of a module's name in a file of peft
LOW, HIGH, BIAS = "lora_A.weight", "lora_B.weight", "lora_B.bias"


@dataclass(frozen=True, eq=False)
class Layout:
    """What LoRAs of one config have in common; two of one layout have tensors of the same shapes."""

    scaling: Mapping[str, float]  # module of the bare backbone → the s of its update s B A
    shapes: Mapping[str, tuple[int, ...]]  # tensor, as it is called in the adapter's file → its shape


class Layouts:
    """The layouts of LoRAs on one architecture. Each is found once: adapters of one method have one in common."""

    def __init__(self, architecture: PretrainedConfig) -> None:
        """Know nothing yet."""
        self._architecture = architecture
        self._known: dict[str, Layout | None] = {}

    def of(self, folder: Path) -> Layout | None:
        """Return the layout of the adapter stored in ``folder``; None where it is more than B A beside linear layers.

        DoRA is, and so are trained embeddings, biases of the backbone's own, and whole modules.

        Raises:
            InputError: its config cannot be read, or names modules by a pattern that could take for ever.
        """
        described = {name: value for name, value in read_config(folder).items() if name not in BESIDE}
        key = json.dumps(as_json(described), sort_keys=True)  # peft stores sets of names in any order
        if key not in self._known:
            names = (name for name, _ in skeleton(self._architecture).named_modules())
            require_bounded_patterns(described, names, str(folder / CONFIG))
            self._known[key] = _layout(described, self._architecture)
        return self._known[key]


def lora_layers(body: Any) -> dict[str, Any]:
    """Return the layers of ``body`` that a LoRA is on, by name."""
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in body.named_modules() if isinstance(module, LoraLayer)}


def _layout(described: Mapping[str, Any], architecture: PretrainedConfig) -> Layout | None:
    from peft import PeftConfig, PeftType, get_peft_model, get_peft_model_state_dict

    config: Any = PeftConfig.from_peft_type(**described)
    if config.peft_type != PeftType.LORA or config.layer_replication:
        return None
    bare = deepcopy(skeleton(architecture))
    with asking_for_packed(bare):
        model: Any = get_peft_model(bare, config, low_cpu_mem_usage=True)
    with without_advice("peft"):
        tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
    layers = lora_layers(model.get_base_model())
    known = {f"{START}{name}.{part}" for name in layers for part in (LOW, HIGH, BIAS)}
    if not all(map(_is_plain, layers.values())) or not tensors.keys() <= known:
        return None
    (adapter,) = model.peft_config
    scaling = {name: float(layer.scaling[adapter]) for name, layer in layers.items()}
    return Layout(scaling, {name: tuple(tensor.shape) for name, tensor in tensors.items()})


def _is_plain(layer: Any) -> bool:
    from peft.tuners.lora.layer import ParamWrapper  # on a parameter, whose update may be transposed
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    is_linear = isinstance(layer.get_base_layer(), nn.Linear | Conv1D) and not isinstance(layer, ParamWrapper)
    return is_linear and not layer.lora_variant
