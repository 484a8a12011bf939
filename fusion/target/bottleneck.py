"""Bottleneck adapters as the package `adapters` stores them: averaged parameter by parameter, and side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.fusion.target.composition import Composed
from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, CONFIG, read_config
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.scratch import scratch_folder
from adapter_workbench.workbench.methods.libraries.adapters import computing
from adapter_workbench.workbench.methods.stored_model import adaptation_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from adapters import AdapterConfig
    from torch import Tensor, nn

    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.settings.base import MethodSettings

DOWN, UP = ".adapter_down.0", ".adapter_up"
PLAIN = {"ln_before": False, "ln_after": False, "use_gating": False, "phm_layer": False}  # its output is linear in UP


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
    body = _attached(request, adaptation, read_config(first.folder), mean)
    described = adaptation.described
    return Composed(
        body.eval(), first.manifest.method, adaptation.settings, weights=tuple(weights), described=described
    )


@dataclass(frozen=True)
class WideBottleneck:
    """Bottlenecks side by side: one whose hidden units are those of all sources."""

    body: nn.Module  # the backbone with it
    # method, settings, described: what it is, as in ``Composed``
    method: str
    settings: MethodSettings
    described: Mapping[str, Any] | None
    owners: Tensor  # which source each hidden unit belongs to, (Σ dₙ,)
    biases: Mapping[str, Tensor]  # position (a module of the body) → the bias of each source's output, (sources, h)


def side_by_side(request: Request) -> WideBottleneck:
    """Return one bottleneck that adds what all sources add together.

    Raises:
        InputError: the sources differ in more than their size, or are no plain bottlenecks of one size in all layers.
    """
    first = request.sources[0]
    for source in request.sources:
        _require_alike(first, source, but_for={"reduction_factor"})
        _require_plain(source)
    tensors = [load_file(source.folder / ADAPTERS_WEIGHTS) for source in request.sources]
    positions = [name.removesuffix(f"{UP}.weight") for name in tensors[0] if name.endswith(f"{UP}.weight")]
    sizes = [_size(source, own, positions) for source, own in zip(request.sources, tensors, strict=True)]
    adaptation = adaptation_of(first.manifest, request.backbone)
    hidden = tensors[0][f"{positions[0]}{DOWN}.weight"].shape[1]
    change = {"reduction_factor": reduction_factor(hidden, sum(sizes))}
    described = None if adaptation.described is None else {**adaptation.described, **change}
    config = read_config(first.folder)
    config["config"] |= change
    biases = {
        position: torch.stack([source[f"{position}{UP}.bias"] for source in tensors]) for position in positions
    }  # (n, h)
    wide = {}
    for position in positions:
        wide[f"{position}{DOWN}.weight"] = torch.cat(
            [source[f"{position}{DOWN}.weight"] for source in tensors]
        )  # (Σ dₙ, h)
        wide[f"{position}{DOWN}.bias"] = torch.cat([source[f"{position}{DOWN}.bias"] for source in tensors])
        wide[f"{position}{UP}.weight"] = torch.cat([source[f"{position}{UP}.weight"] for source in tensors], dim=1)
        wide[f"{position}{UP}.bias"] = biases[position].sum(dim=0)
    body: Any = _attached(request, adaptation, config, wide)
    start = f"{body.base_model_prefix}."
    return WideBottleneck(
        body.eval(),
        first.manifest.method,
        adaptation.settings.model_copy(update=change),
        described,
        torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)),
        {position.removeprefix(start): own for position, own in biases.items()},
    )


def _attached(
    request: Request, adaptation: Adaptation, config: Mapping[str, Any], tensors: dict[str, Tensor]
) -> nn.Module:
    """Return the backbone with a bottleneck of these tensors, as it is when it comes from the store."""
    with scratch_folder() as folder:
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
        save_file(tensors, folder / ADAPTERS_WEIGHTS)
        return adaptation.library.load(request.backbone.load(), folder, None)


def reduction_factor(hidden: int, size: int) -> float:
    """Return the factor that the package makes a bottleneck of ``size`` of: it rounds the quotient down."""
    exact = hidden / size
    return exact if int(hidden // exact) == size else hidden / (size + 0.5)


def _size(source: StoredAdapter, tensors: Mapping[str, Tensor], positions: Sequence[str]) -> int:
    sizes = {tensors[f"{position}{UP}.weight"].shape[1] for position in positions}
    if len(sizes) > 1:
        message = f"the bottlenecks of {source.id} have different sizes: {', '.join(map(str, sorted(sizes)))}"
        raise InputError(message, hint="Give adapters with one reduction factor for all layers.")
    return sizes.pop()


def _require_plain(source: StoredAdapter) -> None:
    config = architecture(source)
    beside = [name for name, plain in PLAIN.items() if config.get(name, plain) != plain]
    if isinstance(config.get("scaling"), str):
        beside.append(f"scaling: {config['scaling']}")
    if beside:
        message = f"{source.id} is no plain bottleneck: it has {', '.join(beside)}"
        raise InputError(message, hint="Give adapters of pfeiffer, houlsby or parallel.")


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


def _require_alike(first: StoredAdapter, other: StoredAdapter, but_for: Collection[str] = ()) -> None:
    config, other_config = (architecture(source) for source in (first, other))
    keys = config.keys() | other_config.keys()
    differing = sorted(key for key in keys.difference(but_for) if config.get(key) != other_config.get(key))
    if differing:
        raise InputError(
            f"{first.id} and {other.id} differ in {', '.join(differing)}: their parameters do not correspond",
            hint="Average bottlenecks of one method and one reduction factor.",
        )


def architecture(source: StoredAdapter) -> dict[str, Any]:
    """Return what decides where a stored adapter sits and what it computes, by the package's names."""
    return computing(read_config(source.folder)["config"])
