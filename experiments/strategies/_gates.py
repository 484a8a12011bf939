"""Gates on the units of an adapter's layers: hard attention to a task, and weights that earlier tasks hold.

A unit is one output of a layer: of a LoRA's A and B, or of a bottleneck's two layers. A gate has a number e for each
unit. While a task is learned a unit's output counts σ(s e) times, with s rising in each epoch; in answers it counts if
e > 0, and else it is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMIT, SATURATED = 6.0, 50.0  # e stays within ± the first; beyond the second, |s e| lets no gradient through


class Gate(nn.Module):
    """How much each unit of a layer counts.

    Attributes:
        e: what is trained (units,).
        claimed: which units an earlier task answers with (units,).
        slope: s, in training.
        asked: which units answer, while another task than the one at work is asked; None else.
    """

    claimed: Tensor

    def __init__(self, e: Tensor, claimed: Tensor, slope: float) -> None:
        """Begin with ``e`` (units,)."""
        super().__init__()
        self.e = nn.Parameter(e)
        self.slope = slope
        self.asked: Tensor | None = None
        self.register_buffer("claimed", claimed, persistent=False)

    def attention(self) -> Tensor:
        """Return σ(s e) (units,)."""
        of: Any = _Attention.apply
        attention: Tensor = of(self.e, self.slope)
        return attention

    def mask(self) -> Tensor:
        """Return which units answer (units,)."""
        return self.e.detach() > 0 if self.asked is None else self.asked.to(self.e.device)

    @torch.no_grad()
    def move(self, rate: float) -> None:
        """Take a step of plain gradient descent, to where σ can still change, and leave the optimiser none to take."""
        self.e.sub_(self.e.grad, alpha=rate).clamp_(-LIMIT, LIMIT)  # type: ignore[arg-type]  # a fit has gradients
        self.e.grad = None


class _Attention(torch.autograd.Function):
    """σ(s e), with the gradient that compensates for s.

    By itself the gradient is that of s σ'(s e), which is nothing almost everywhere where s is large. Times
    (cosh(s e) + 1) ÷ (s (cosh(e) + 1)), |s e| cut at 50, it is that of σ'(e), and fades out beyond the cut.
    Written so, no factor over- or underflows.
    """

    @staticmethod
    def forward(ctx: Any, e: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(e)
        ctx.slope = slope
        return torch.sigmoid(slope * e)

    @staticmethod
    def backward(ctx: Any, outgoing: Tensor) -> tuple[Tensor, None]:
        (e,) = ctx.saved_tensors
        beyond = ((ctx.slope * e).abs() - SATURATED).relu()
        return outgoing * torch.sigmoid(e) * torch.sigmoid(-e) * torch.exp(-beyond), None


@dataclass(frozen=True)
class Layer:
    """A layer whose outputs are units."""

    linear: nn.Linear  # has its weights
    gated: nn.Module  # gives its outputs, after the activation where there is one
    before: str | None  # the name of the layer whose units it reads; None where it reads the backbone


def layers(body: nn.Module) -> dict[str, Layer]:
    """Return the layers of a LoRA, or of bottleneck adapters, by name and always in the same order."""
    by_name: dict[str, Layer] = {}
    for name, module in body.named_modules():
        adapted: Any = module
        if hasattr(module, "lora_B"):
            linear, up = adapted.lora_A["default"], adapted.lora_B["default"]
            down = linear
        elif hasattr(module, "adapter_up"):
            down, up = adapted.adapter_down, adapted.adapter_up
            linear = down[0]
        else:
            continue
        by_name[f"{name}.down"] = Layer(linear, down, None)
        by_name[f"{name}.up"] = Layer(up, up, f"{name}.down")
    return by_name


def gate(layers_by_name: Mapping[str, Layer], e: Tensor, claimed: Tensor, slope: float) -> list[Gate]:
    """Put a gate on each layer, and hold the weights that claimed units have among themselves.

    Args:
        layers_by_name: see :func:`layers`.
        e: (units of all layers,).
        claimed: (units of all layers,).
        slope: of the gates at first.
    """
    claims = split(layers_by_name, claimed)
    gates = {name: Gate(start, claims[name], slope) for name, start in split(layers_by_name, e).items()}
    for name, layer in layers_by_name.items():
        layer.gated.register_forward_hook(partial(_apply_gate, gates[name]))
        if bool(claimed.any()):
            _hold(layer, claims[name], claims[layer.before] if layer.before else None)
    return [*gates.values()]


@torch.no_grad()
def answer_with(layers_by_name: Mapping[str, Layer], mask: Tensor) -> None:
    """Set the weights to and from all units to 0 that are not in ``mask`` (units of all layers,).

    An activation of 0 is 0, so that nothing else answers; and whoever reads the weights finds those that do.
    """
    answering = split(layers_by_name, mask)
    for name, layer in layers_by_name.items():
        outputs, weight, bias = answering[name], layer.linear.weight, layer.linear.bias
        weight.masked_fill_(~_connections(weight, outputs, answering[layer.before] if layer.before else None), 0)
        if bias is not None:
            bias.masked_fill_(~outputs.to(bias.device), 0)


def split(layers_by_name: Mapping[str, Layer], of_all: Tensor) -> dict[str, Tensor]:
    """Return what stands for each layer's units in a vector of the units of all layers."""
    vectors = torch.split(of_all, [layer.linear.out_features for layer in layers_by_name.values()])
    return {name: values.clone() for name, values in zip(layers_by_name, vectors, strict=True)}


def used(gates: Sequence[Gate]) -> Tensor:
    """Return R = Σ m (1 − claimed) ÷ Σ (1 − claimed) over the units of all gates, m = σ(s e); 0 where none is free."""
    attention = torch.cat([layer_gate.attention() for layer_gate in gates])
    free = torch.cat([~layer_gate.claimed for layer_gate in gates])
    return (attention * free).sum() / free.sum().clamp(min=1)


def annealed(step: int, steps: int, hardness: float) -> float:
    """Return s before optimiser step ``step`` (from 0) of epochs of ``steps``: from 1 ÷ s_max to s_max in each."""
    share = step % steps / max(steps - 1, 1)
    return 1 / hardness + (hardness - 1 / hardness) * share


class _ClaimedWeights(nn.Module):
    """Claimed weights as they were, whatever the optimiser does to the parameter, and the others as they are."""

    fixed: Tensor
    claimed: Tensor

    def __init__(self, weight: Tensor, claimed: Tensor) -> None:
        super().__init__()
        self.register_buffer("fixed", weight.detach().clone(), persistent=False)
        self.register_buffer("claimed", claimed, persistent=False)

    def forward(self, trained: Tensor) -> Tensor:
        return torch.where(self.claimed, self.fixed, trained)


def _hold(layer: Layer, outputs: Tensor, inputs: Tensor | None) -> None:
    """Hold the weights into claimed units from claimed ones, or from the backbone; and their biases."""
    weight, bias = layer.linear.weight, layer.linear.bias
    register_parametrization(layer.linear, "weight", _ClaimedWeights(weight, _connections(weight, outputs, inputs)))
    if bias is not None:
        register_parametrization(layer.linear, "bias", _ClaimedWeights(bias, outputs.to(bias.device)))


def _connections(weight: Tensor, outputs: Tensor, inputs: Tensor | None) -> Tensor:
    """Return which weights (units, inputs) lead to ``outputs``, from ``inputs`` where known."""
    connected = outputs.unsqueeze(1) if inputs is None else outputs.unsqueeze(1) & inputs
    return connected.expand_as(weight).to(weight.device)


def _apply_gate(gate: Gate, gated: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    if gated.training:
        return output * gate.attention().to(output.dtype)
    return output.masked_fill(~gate.mask(), 0)
