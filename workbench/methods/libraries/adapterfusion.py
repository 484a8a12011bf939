"""adapterfusion: several bottleneck adapters of the package ``adapters`` under one AdapterFusion layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file
from torch import nn

from adapter_workbench.workbench.adapters.adapter_folder import FUSION_WEIGHTS
from adapter_workbench.workbench.methods.libraries._places import require_none_left
from adapter_workbench.workbench.methods.libraries.adapters import load_whole, prepare, require_loaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

FUSION = "fusion"  # the fusion layer's name, and its folder's
WIDTH = 3  # digits of a source's number, so that the folders' order is the sources' order


@dataclass(frozen=True)
class FusionConfig:
    """What is fused, and how the fusion layer is trained."""

    dropout: float  # on the attention scores, while training
    sources: tuple[Path, ...] = ()  # folders of stored adapters, in order; only a fusion that begins needs them


class AdapterFusion:
    """The sources lie in folders ``source-000``, ``source-001``, … and the fusion layer in ``fusion``.

    Names are numbers, never the sources' ids: the package allows no dot in a name, and takes part of a name for the
    whole name. It reads a dropout of 0.0 as "not given" and takes the model's own, so the dropout is set by hand. It
    gives its layer tensors whose order in memory makes torch's bf16 product a hundred times slower, so they are copied.
    """

    def attach(self, body: Any, config: FusionConfig) -> nn.Module:
        """Return the body with the sources of ``config``, frozen, below a fresh fusion layer."""
        prepare(body)
        names = [name_of(index) for index in range(len(config.sources))]
        for name, folder in zip(names, config.sources, strict=True):
            load_whole(body, folder, name)
        body.add_adapter_fusion(names, "dynamic", name=FUSION)
        return _trainable(body, config)

    def save(self, body: Any, folder: Path) -> None:
        """Write each source and the fusion layer into folders of their own."""
        for name in _sources(body):
            body.save_adapter(str(folder / name), name, with_head=False, use_safetensors=True)
        body.save_adapter_fusion(str(folder / FUSION), FUSION, use_safetensors=True)

    def load(self, body: Any, folder: Path, config: FusionConfig) -> nn.Module:
        """Return the body with the stored sources and fusion layer; only the latter is trainable."""
        prepare(body)
        for source in sorted(folder.glob("source-*")):
            load_whole(body, source, source.name)
        body.load_adapter_fusion(str(folder / FUSION), load_as=FUSION, use_safetensors=True)
        stored = load_file(folder / FUSION / FUSION_WEIGHTS)
        own = [name for name in body.state_dict() if f".adapter_fusion_layer.{FUSION}." in name]
        require_loaded(body, [name for name in own if name not in stored])
        start = f"{body.base_model_prefix}."
        require_none_left(name for name in stored if name.removeprefix(start) not in {*own})
        return _trainable(body, config)

    def detach(self, body: Any) -> nn.Module:
        """Return the body without fusion layer and sources."""
        names = _sources(body)
        body.delete_adapter_fusion(FUSION)
        for name in names:
            body.delete_adapter(name)
        body.set_active_adapters(None)
        model: nn.Module = body
        return model


def name_of(index: int) -> str:
    """Return the name of the source with this number, from 0."""
    return f"source-{index:0{WIDTH}d}"


def value_matrices(body: nn.Module) -> Iterator[Tensor]:
    """Yield the value matrix V (hidden_size, hidden_size) of each fusion layer of ``body``."""
    for name, parameter in body.named_parameters():
        if name.endswith(f"adapter_fusion_layer.{FUSION}.value.weight"):
            yield parameter


def _sources(body: Any) -> list[str]:
    _, names = body.adapters_config.get_fusion(FUSION)
    return list(names)


def _trainable(body: Any, config: FusionConfig) -> nn.Module:
    from adapters.composition import Fuse

    body.train_adapter_fusion(Fuse(*_sources(body), name=FUSION))
    for name, module in body.named_modules():
        if name.endswith(f"adapter_fusion_layer.{FUSION}"):
            module.dropout.p = config.dropout
            module.register_forward_pre_hook(_contiguous)
    model: nn.Module = body
    return model


def _contiguous(layer: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    query, key, _, residual = given  # (batch, tokens, h), (batch, tokens, sources, h), the same, (batch, tokens, h)
    ordered = key.contiguous()
    return query, ordered, ordered, residual


LIBRARY = AdapterFusion()
