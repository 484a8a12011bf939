"""What the cards share whose method the package ``adapters`` builds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from adapter_workbench.workbench.machine.extras import absence
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.settings.bounds import Reduction

if TYPE_CHECKING:
    from adapters import AdapterConfig
    from transformers import PretrainedConfig


class BottleneckSettings(MethodSettings):
    """``reduction_factor``: hidden size ÷ bottleneck size."""

    learning_rate: float = 5e-3
    reduction_factor: Reduction = 16


class InvertibleSettings(BottleneckSettings):
    """A bottleneck adapter in each layer and, after the embeddings, two invertible ones, each for half of the state."""

    inv_adapter_reduction_factor: Reduction = Field(2, description="half the hidden size ÷ the bottleneck size")


def package_config(name: str) -> Callable[[MethodSettings, PretrainedConfig], AdapterConfig]:
    """Return what turns settings into the package's configuration called ``name`` (``seq_bn``, …).

    The settings that a card adds have the names of the package's own.
    """

    def configure(settings: MethodSettings, config: PretrainedConfig) -> AdapterConfig:
        from adapters import AdapterConfig

        return AdapterConfig.load(name, **settings.model_dump(exclude=set(MethodSettings.model_fields)))

    return configure


def lacks_architecture(settings: Any, config: PretrainedConfig, kind: str) -> str | None:
    """Say so where the package does not know the architecture, or is not there."""
    if missing := absence("adapters"):
        return missing
    from adapters.models import MODEL_MIXIN_MAPPING
    from transformers import MODEL_MAPPING

    model = MODEL_MAPPING.get(type(config), None)
    is_known = model is not None and model.__name__ in MODEL_MIXIN_MAPPING
    return None if is_known else f"the package adapters does not know the architecture {config.model_type}"
