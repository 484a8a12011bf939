"""adapters: bottleneck modules and their kin (https://docs.adapterhub.ml)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from torch import nn

from workbench.settings import MethodSettings

if TYPE_CHECKING:
    from adapters import BnConfig
    from transformers import PretrainedConfig

NAME = "workbench"


class BottleneckSettings(MethodSettings):
    """``reduction_factor``: hidden size ÷ bottleneck size."""

    learning_rate: float = 5e-3
    reduction_factor: float = Field(16, gt=0)


def bottleneck(name: str) -> Callable[[BottleneckSettings, PretrainedConfig], BnConfig]:
    """Return what turns settings into the package's bottleneck configuration called ``name`` (``seq_bn``, …)."""

    def configure(settings: BottleneckSettings, config: PretrainedConfig) -> BnConfig:
        from adapters import AdapterConfig

        return AdapterConfig.load(name, reduction_factor=settings.reduction_factor)

    return configure


class Adapters:
    """Adds one adapter, always under the same name, so that a stored folder does not depend on where it was made."""

    def attach(self, body: Any, config: Any) -> nn.Module:
        """Return the body with a fresh active adapter."""
        _prepare(body)
        body.add_adapter(NAME, config=config)
        body.train_adapter(NAME)
        model: nn.Module = body
        return model

    def save(self, body: Any, folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter.safetensors``."""
        body.save_adapter(str(folder), NAME, with_head=False, use_safetensors=True)

    def load(self, body: Any, folder: Path, config: Any) -> nn.Module:
        """Return the body with the stored adapter active and trainable."""
        _prepare(body)
        body.load_adapter(str(folder), load_as=NAME, with_head=False, use_safetensors=True)
        body.train_adapter(NAME)
        model: nn.Module = body
        return model

    def host(self, body: Any, folder: Path, name: str) -> nn.Module:
        """Return the body with one more adapter."""
        _prepare(body)
        body.load_adapter(str(folder), load_as=name, with_head=False, use_safetensors=True)
        model: nn.Module = body
        return model

    def switch(self, body: Any, name: str) -> None:
        """Make one hosted adapter the active one."""
        body.set_active_adapters(name)

    def mixes(self, body: Any) -> bool:
        """Return whether all are bottlenecks without an invertible part, which the package splits batches for."""
        from adapters import BnConfig

        configs = [body.adapters_config.get(name) for name in body.adapters_config.adapters]
        return all(isinstance(config, BnConfig) and not config.inv_adapter for config in configs)

    def mix(self, body: Any, names: Sequence[str]) -> Mapping[str, Any]:
        """Split the batch by runs of equal names; the forward pass needs nothing beside it."""
        from adapters.composition import BatchSplit

        runs = [(name, len(list(rows))) for name, rows in groupby(names)]
        if len(runs) == 1:
            self.switch(body, names[0])
        else:
            body.set_active_adapters(BatchSplit(*(name for name, _ in runs), batch_sizes=[size for _, size in runs]))
        return {}

    def detach(self, body: Any) -> nn.Module:
        """Return the body without the adapter."""
        body.delete_adapter(NAME)
        model: nn.Module = body
        return model


def _prepare(body: Any) -> None:
    import adapters

    if not hasattr(body, "adapters_config"):
        adapters.init(body)


LIBRARY = Adapters()
