"""Sources side by side in one body, the output of each multiplied by scales that are learned, and folded in afterwards.

Σₙ ωₙ ⊙ (Bₙ xₙ + cₙ) = [diag(ω₁)B₁ … diag(ωₙ)Bₙ] x + Σₙ ωₙ ⊙ cₙ, so whatever the scales are, the result is one
ordinary adapter, as wide as all sources together: a LoRA of rank Σ rₙ, or a bottleneck of size Σ dₙ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear

from adapter_workbench.fusion.target import bottleneck
from adapter_workbench.fusion.target.mixing import side_by_side
from adapter_workbench.fusion.updates import lora

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.workbench.settings.base import MethodSettings


@dataclass(frozen=True)
class Outputs:
    """Where sources that lie side by side at one position add their outputs."""

    # parent, child: the module that holds the last matrix of the position, and the name that it has there
    parent: nn.Module
    child: str
    owners: Tensor  # which source each column of that matrix belongs to, (Σ rₙ,)
    # what each source adds whatever the input is, (sources, out); None where there is no bias
    biases: Tensor | None = None


@dataclass(frozen=True)
class SideBySide:
    """All sources as one adapter, each with scale 1."""

    body: nn.Module  # the backbone with that adapter
    # method, settings, described: what the adapter is, as in ``Composed``
    method: str
    settings: MethodSettings
    described: Mapping[str, Any] | None
    outputs: Mapping[str, Outputs]  # position (the name of a module of the body) → where its outputs are
    sources: int  # how many there are

    def under_scales(self, per_dimension: bool, shared: bool, value: float, drop: float) -> ScaledBody:
        """Put scales on the outputs: all of the body that is trained.

        Args:
            per_dimension: whether each dimension of an output has a scale of its own.
            shared: whether the layers share them: those of one position in a layer, where a layer has several.
            value: of each scale at first.
            drop: share of the scales that are dropped in each pass of a training, the others raised.
        """
        trained = {name: parameter.requires_grad for name, parameter in self.body.named_parameters()}
        self.body.requires_grad_(False)
        scales: dict[str, nn.Parameter] = {}
        layers = {}
        for position, outputs in self.outputs.items():
            matrix: Any = outputs.parent.get_submodule(outputs.child)
            width = matrix.out_features if per_dimension else 1
            group = _every_layer(position) if shared else position
            if group in scales and scales[group].shape[1] != width:
                group = f"{group} ({width})"  # a layer of another width cannot share them
            if group not in scales:
                scales[group] = nn.Parameter(torch.full((self.sources, width), value, device=matrix.weight.device))
            layers[position] = ScaledOutputs(matrix, scales[group], outputs.owners, outputs.biases, drop)
            outputs.parent.add_module(outputs.child, layers[position])
        return ScaledBody(self, scales, layers, trained)


@dataclass(frozen=True)
class ScaledBody:
    """A body whose scales are trained."""

    sources: SideBySide  # what is scaled
    scales: Mapping[str, nn.Parameter]  # group of positions → its scales, (sources, out) or (sources, 1)
    layers: Mapping[str, ScaledOutputs]  # position → what stands there while the scales are trained
    # name of a parameter of the adapter or backbone → whether it required a gradient before
    trained: Mapping[str, bool]

    @torch.no_grad()
    def fold(self) -> dict[str, tuple[float, ...]]:
        """Multiply the scales into the adapter, so that it is an ordinary one; return the mean of each source's.

        The answers stay the same to the last bit: what is stored is what the last pass multiplied with.
        """
        for position, layer in self.layers.items():
            outputs, matrix = self.sources.outputs[position], layer.matrix
            weight, bias = layer.scaled(layer.scales)
            matrix.weight.copy_(weight)
            if bias is not None:
                matrix.bias.copy_(bias)
            outputs.parent.add_module(outputs.child, matrix)
        for name, parameter in self.sources.body.named_parameters():
            parameter.requires_grad_(self.trained[name])
        return {group: tuple(scales.mean(dim=1).tolist()) for group, scales in self.scales.items()}


class ScaledOutputs(nn.Module):
    """x (…, Σ rₙ) → Σₙ ωₙ ⊙ (Bₙ xₙ + cₙ), (…, out). Dropout falls on ω, so on a source's matrix and bias alike.

    Args:
        matrix: the last matrices of all sources side by side, [B₁ … Bₙ].
        scales: ω, (sources, out) or (sources, 1).
        owners, biases: as in :class:`Outputs`.
        drop: share of the scales that are dropped while training.
    """

    owners: Tensor
    biases: Tensor | None

    def __init__(self, matrix: Any, scales: nn.Parameter, owners: Tensor, biases: Tensor | None, drop: float) -> None:
        """Hold the scales beside the matrix, which stays as it is."""
        super().__init__()
        self.matrix, self.scales, self.drop = matrix, scales, drop
        device = matrix.weight.device
        self.register_buffer("owners", owners.to(device), persistent=False)
        self.register_buffer("biases", None if biases is None else biases.to(device), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, *self.scaled(dropout(self.scales, self.drop, self.training)))

    def scaled(self, scales: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the matrix (out, Σ rₙ) and the bias (out,) under ``scales``, (sources, out) or (sources, 1)."""
        weight = self.matrix.weight * scales[self.owners].T  # (out, Σ rₙ) × (out or 1, Σ rₙ)
        return weight, None if self.biases is None else (scales * self.biases).sum(dim=0)


def sources_side_by_side(request: Request) -> SideBySide:
    """Return the sources of ``request``, LoRAs or bottlenecks, as one adapter.

    Raises:
        InputError: sources that are no plain LoRAs, or as :func:`side_by_side`.
    """
    if request.sources[0].manifest.library == "peft":
        return _loras(request)
    wide = bottleneck.side_by_side(request)
    outputs = {
        position: Outputs(wide.body.get_submodule(position), "adapter_up", wide.owners, biases)
        for position, biases in wide.biases.items()
    }
    return SideBySide(wide.body, wide.method, wide.settings, wide.described, outputs, len(request.sources))


def _loras(request: Request) -> SideBySide:
    update, owners = side_by_side(request.updates)
    body, settings = lora.attach(request.backbone, update)
    outputs = {module: Outputs(layer.lora_B, "default", owners[module]) for module, layer in lora.layers(body).items()}
    return SideBySide(body, "lora", settings, None, outputs, len(request.sources))


def _every_layer(position: str) -> str:
    """Return the name of a position without the number of its layer."""
    return re.sub(r"\.\d+\.", ".*.", position, count=1)
