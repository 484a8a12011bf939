"""The layers of a body that LoRAs of peft are on."""

from __future__ import annotations

from typing import Any


def lora_layers(body: Any) -> dict[str, Any]:
    """Return the layers of ``body`` that a LoRA is on, by name."""
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in body.named_modules() if isinstance(module, LoraLayer)}
