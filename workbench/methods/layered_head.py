"""A head of several layers, as many classes of transformers and of the package adapters have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import normalize

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.manifest import HeadReference

LINEAR, NORM, UNIT = "linear", "norm", "unit"


class Unit(nn.Module):
    """Makes vectors as long as 1, as heads on the vectors of sentence-transformers may read them."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Return (batch, hidden_size) ÷ its length in each row."""
        return normalize(vectors, dim=-1)


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu_tanh": lambda: nn.GELU("tanh"),
    "leaky_relu": nn.LeakyReLU,
    UNIT: Unit,
}


def build_head(reference: HeadReference, tensors: Mapping[str, Tensor]) -> nn.Sequential:
    """Return the head that ``reference`` describes: what is pooled (batch, hidden_size) → logits (batch, labels).

    Args:
        reference: which layers there are.
        tensors: its state, ``0.weight``, ``0.bias``, ``2.weight``, …; numbered as the layers are.

    Raises:
        ValueError: no such layer, or a layer's weight is missing or has another shape.
    """
    layers: list[nn.Module] = []
    for index, name in enumerate(reference.layers):
        if name in ACTIVATIONS:
            layers.append(ACTIVATIONS[name]())
            continue
        if name not in (LINEAR, NORM) or (weight := tensors.get(f"{index}.weight")) is None:
            raise ValueError(f"layer {index} of the head ({name}) is missing")
        biased = f"{index}.bias" in tensors
        if name == NORM:
            layers.append(nn.LayerNorm(len(weight), eps=reference.eps, bias=biased))
        else:
            rows, columns = weight.shape
            layers.append(nn.Linear(columns, rows, bias=biased))
    head = nn.Sequential(*layers)
    head.load_state_dict(tensors)
    return head
