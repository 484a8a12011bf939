"""peft's router of tokens, at the precision of the LoRAs' weights whatever the precision of the rest.

Under autocast peft 0.21's router fails: its similarities come out in half precision, and the table that it writes them
into has the precision of the weights.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.arrow import ArrowLoraLinearLayer
from torch import Tensor, nn


class ArrowRouter(ArrowLoraLinearLayer):  # type: ignore[misc]  # peft's class has no types
    """peft's, without autocast."""

    def forward(self, x: Tensor, **factors: Any) -> Tensor:
        """Return what the routed LoRAs add to the outputs (…, out) for the inputs ``x`` (…, in)."""
        with torch.autocast(x.device.type, enabled=False):
            added: Tensor = super().forward(x, **factors)
        return added


def without_autocast(model: nn.Module) -> None:
    """Let every router of a model compute at the precision of the LoRAs' weights."""
    for module in model.modules():
        if type(module) is ArrowLoraLinearLayer:
            module.__class__ = ArrowRouter
