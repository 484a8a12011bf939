"""Linear layers whose weights stay in bfloat16, and which compute in float32.

A layer widens its weights when it multiplies, in the forward pass and once more in the backward pass, and keeps nothing
of that: at any time one layer is there in float32. Widening rounds nothing, and all products are torch's own on the
same numbers, so whatever is computed is the same to the last bit as with weights that were widened once for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


class WidenedLinear(nn.Linear):
    """A linear layer whose weights are widened for each product; an autocast region narrows what it reads instead."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        """Return x Wᵀ + b in float32: (…, in_features) → (…, out_features)."""
        if self.weight.dtype is torch.float32 or torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        wide = self.weight.float()
        own = wide.device, wide.untyped_storage().data_ptr()

        def pack(saved: Tensor) -> Any:  # autograd keeps this function, which must not keep ``wide``
            is_wide = (saved.device, saved.untyped_storage().data_ptr()) == own
            return (saved.size(), saved.stride(), saved.storage_offset()) if is_wide else saved

        def unpack(kept: Any) -> Tensor:
            return kept if isinstance(kept, torch.Tensor) else self.weight.float().as_strided(*kept)

        with saved_tensors_hooks(pack, unpack):
            return functional.linear(input, wide, self.bias)


def compute_widened(body: nn.Module) -> nn.Module:
    """Let the linear layers of ``body`` with weights in bfloat16 compute in float32, in place, and return it."""
    for module in body.modules():
        if type(module) is nn.Linear and module.weight.dtype is torch.bfloat16:
            module.__class__ = WidenedLinear
    return body
