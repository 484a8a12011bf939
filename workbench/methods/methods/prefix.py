"""Prefix tuning: each attention gets trained keys and values before the keys and values of the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods._adapters import lacks_architecture
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from adapters import PrefixTuningConfig
    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """``reparametrize``: the prefix is made by a network of ``bottleneck_size`` units from an embedding of its places.

    The paper finds a prefix that is trained directly unstable (sec. 4.3). The network is as wide as keeps it near the
    other methods' sizes; the paper's 512 or 800 units would train a tenth of a small backbone.
    """

    learning_rate: float = 5e-3
    prefix_length: Size = 30
    reparametrize: bool = True
    bottleneck_size: Size = 128


def configure(settings: Settings, config: PretrainedConfig) -> PrefixTuningConfig:
    """Return the package's configuration."""
    from adapters import PrefixTuningConfig

    return PrefixTuningConfig(
        flat=not settings.reparametrize,
        prefix_length=settings.prefix_length,
        bottleneck_size=settings.bottleneck_size,
    )


def objection(settings: MethodSettings, config: PretrainedConfig, kind: str) -> str | None:
    """The package makes prefixes for attention heads of the usual width: hidden size ÷ heads, or what a T5 states."""
    if missing := lacks_architecture(settings, config, kind):
        return missing
    usual = getattr(config, "d_kv", None) or config.hidden_size // config.num_attention_heads
    width = getattr(config, "head_dim", None) or usual
    if width == usual:
        return None
    return f"its attention heads are {width} wide, but the package makes prefixes for {usual}"


METHOD = Method(
    title="Prefix tuning",
    paper="Li & Liang 2021, arXiv:2101.00190, eq. 3 and sec. 4.3",
    library="adapters",
    settings=Settings,
    configure=configure,
    objection=objection,
)
