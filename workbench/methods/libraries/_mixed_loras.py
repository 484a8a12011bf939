"""Rows of one batch answered by different LoRAs of peft: a layer adds to each run of rows its own LoRA's update.

peft's ``adapter_names`` picks the rows of each adapter out of every layer's input by their numbers, and writes them
back in the same way. Where rows of one adapter stand together they are a view, which costs no copies.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Runs = list[tuple[str, slice]]


def can_mix(body: Any) -> bool:
    """Return whether all that ``body`` hosts are LoRAs of linear layers, and none is more than B A.

    DoRA is.
    """
    from peft import PeftType
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    plain = all(config.peft_type == PeftType.LORA for config in body.peft_config.values())
    return plain and all(
        isinstance(layer.get_base_layer(), nn.Linear | Conv1D) and not layer.lora_variant for layer in lora_layers(body)
    )


def mix(body: Any, names: Sequence[str]) -> None:
    """Let ``names[i]`` answer row i of each batch from now on; rows of one adapter follow each other."""
    runs: Runs = []
    for name, rows in groupby(names):
        start = runs[-1][1].stop if runs else 0
        runs.append((name, slice(start, start + len(list(rows)))))
    if not hasattr(body, "mixing"):
        body.mixing = Mixing(lora_layers(body))
    body.mixing.runs = runs
    body.mixing.begin()


def unmix(body: Any) -> None:
    """Let one adapter answer again."""
    if hasattr(body, "mixing"):
        body.mixing.end()


class Mixing:
    """The layers of a body whose LoRAs answer side by side, found once: a body with many adapters has many modules.

    Attributes:
        runs: which LoRA answers which rows of the next batch.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        """Take the LoRA layers of a body; nothing is changed in them yet."""
        self.layers, self.runs = layers, Runs()
        self._hooks: list[Any] = []

    def begin(self) -> None:
        """Switch peft's own way off, where it is on."""
        if not self._hooks:
            for layer in self.layers:
                layer.enable_adapters(False)
            self._hooks = [layer.register_forward_hook(self._add) for layer in self.layers]

    def end(self) -> None:
        """Switch it on again, where it is off."""
        if self._hooks:
            for hook, layer in zip(self._hooks, self.layers, strict=True):
                hook.remove()
                layer.enable_adapters(True)
            self._hooks = []

    def _add(self, layer: Any, inputs: tuple[Tensor, ...], result: Tensor) -> Tensor:
        """Add s B A x of each run's own LoRA to the frozen layer's output, in place."""
        for name, rows in self.runs:
            if name in layer.lora_A:  # LoRAs may differ in the layers that they adapt
                low = layer.lora_A[name](inputs[0][rows])  # (rows, tokens, rank)
                result[rows] += layer.lora_B[name](low) * layer.scaling[name]
        return result


def lora_layers(body: Any) -> list[Any]:
    """Return the modules of ``body`` that LoRAs are on."""
    from peft.tuners.lora import LoraLayer

    return [module for module in body.modules() if isinstance(module, LoraLayer)]
