"""Bottleneck adapters as the package `adapters` stores them: their weighted average, parameter by parameter."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from fusion.target.composition import Composed
from workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, CONFIG, read_config
from workbench.errors import InputError
from workbench.methods.libraries.adapters import computing
from workbench.methods.stored_model import adaptation_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters import AdapterConfig
    from torch import Tensor

    from fusion.target.composition import Request
    from workbench.adapters.stored_adapter import StoredAdapter


def average(request: Request, weights: Sequence[float]) -> Composed:
    """Return the body with Σ wᵢ θᵢ for every parameter of the sources' bottlenecks; nothing is divided by Σ wᵢ.

    Raises:
        InputError: the sources differ in their configuration or their parameters.
    """
    first = request.sources[0]
    adaptation = adaptation_of(first.manifest, request.backbone)
    for other in request.sources[1:]:
        _require_alike(first, other)
    tensors = [load_file(source.folder / ADAPTERS_WEIGHTS) for source in request.sources]
    mean = {name: _combine([parameters[name] for parameters in tensors], weights) for name in tensors[0]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copy(first.folder / CONFIG, folder / CONFIG)
        save_file(mean, folder / ADAPTERS_WEIGHTS)
        body = adaptation.library.load(request.backbone.load(), folder, None)
    described = adaptation.described
    return Composed(
        body.eval(), first.manifest.method, adaptation.settings, weights=tuple(weights), described=described
    )


def unfit(config: AdapterConfig) -> str | None:
    """Return why adapters of a configuration of the package cannot be composed, or None: only bottlenecks can."""
    from adapters import BnConfig

    if not isinstance(config, BnConfig):
        return f"no bottleneck adapter but {config.architecture!r}, whose numbers mean nothing beside another's"
    if config.inv_adapter:
        return "a bottleneck adapter with an invertible part, which a model can have of one adapter only"
    return None


def _combine(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    weighted = [weight * tensor.double() for tensor, weight in zip(tensors, weights, strict=True)]
    return torch.stack(weighted).sum(dim=0).to(tensors[0].dtype)


def _require_alike(first: StoredAdapter, other: StoredAdapter) -> None:
    config, other_config = (architecture(source) for source in (first, other))
    differing = sorted(key for key in config.keys() | other_config.keys() if config.get(key) != other_config.get(key))
    if differing:
        raise InputError(
            f"{first.id} and {other.id} differ in {', '.join(differing)}: their parameters do not correspond",
            hint="Average bottlenecks of one method and one reduction factor.",
        )


def architecture(source: StoredAdapter) -> dict[str, Any]:
    """Return what decides where a stored adapter sits and what it computes, by the package's names."""
    return computing(read_config(source.folder)["config"])
