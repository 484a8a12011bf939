"""S4: four groups of layers, each with its own methods; a search through design spaces found this combination.

First to last group: adapter and LoRA; adapter and prefix; adapter, prefix and biases; prefix, biases and LoRA. The
groups are a spindle, thin at both ends; every layer gets the same sizes, and every group is trained.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter_workbench.workbench.backbone.architecture import biases, blocks, is_bias
from adapter_workbench.workbench.methods.libraries.mixture import MixtureConfig
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import prefix
from adapter_workbench.workbench.methods.methods._adapters import BottleneckSettings
from adapter_workbench.workbench.settings.bounds import Factor, Size

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ENDS = (1 / 6, 1 / 2, 5 / 6)  # of a model's depth: where the second, third and fourth group begin
ADAPTER, PREFIX, LORA, BIAS = {0, 1, 2}, {1, 2, 3}, {0, 3}, {2, 3}  # in which groups


class Settings(BottleneckSettings):
    """Sizes of the parts; of few layers the outer groups may get none."""

    learning_rate: float = 5e-3
    prefix_length: Size = 10
    rank: Size = 8
    alpha: Factor = 16


def group(layer: int, layers: int) -> int:
    """Return the group (0–3) of a layer, by where its middle lies in the depth of the model."""
    return sum((layer + 0.5) / layers >= end for end in ENDS)


def configure(settings: Settings, config: PretrainedConfig) -> MixtureConfig:
    """Return what is trained in which layers: by ``adapters``, and of the backbone's own."""
    from adapters import ConfigUnion, LoRAConfig, PrefixTuningConfig, SeqBnConfig

    layers = config.num_hidden_layers
    groups = [group(layer, layers) for layer in range(layers)]

    def without(chosen: set[int]) -> list[int]:
        return [layer for layer, number in enumerate(groups) if number not in chosen]

    def is_trained(name: str) -> bool:
        layer = layer_of(name)
        return is_bias(name) and layer is not None and groups[layer] in BIAS

    union = ConfigUnion(
        SeqBnConfig(reduction_factor=settings.reduction_factor, leave_out=without(ADAPTER)),
        PrefixTuningConfig(flat=True, prefix_length=settings.prefix_length, leave_out=without(PREFIX)),
        LoRAConfig(r=settings.rank, alpha=settings.alpha, leave_out=without(LORA)),
    )
    return MixtureConfig({"plain": is_trained, "adapters": union})


def layer_of(name: str) -> int | None:
    """Return the number of the layer that a parameter belongs to; None outside of all layers."""
    match = re.search(r"\.(\d+)\.", f".{name}")
    return int(match.group(1)) if match else None


def objection(settings: Settings, config: PretrainedConfig, kind: str) -> str | None:
    """Say so where layers have no weights or no numbers of their own (ALBERT, encoder-decoders), or no biases."""
    if config.is_encoder_decoder or len(blocks(config)) != config.num_hidden_layers:
        return "its groups divide one stack of layers, each with weights of its own"
    if not any(layer_of(name) is not None for name in biases(config)):
        return "two of its groups train biases, and its layers have none"
    return prefix.objection(settings, config, kind)


METHOD = Method(
    title="S4",
    paper="Chen et al. 2023, arXiv:2301.01821, sec. 4",
    library="mixture",
    settings=Settings,
    configure=configure,
    objection=objection,
    trains_backbone=True,
)
