"""UniPELT: prefix, Pfeiffer adapter and LoRA in each layer, each scaled by a gate that reads the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import prefix
from adapter_workbench.workbench.methods.methods._adapters import BottleneckSettings
from adapter_workbench.workbench.settings.bounds import Factor, Size

if TYPE_CHECKING:
    from adapters import UniPELTConfig
    from transformers import PretrainedConfig


class Settings(prefix.Settings, BottleneckSettings):
    """Those of its parts, as the paper has them (sec. 4.1)."""

    learning_rate: float = 2e-3
    prefix_length: Size = 10
    rank: Size = 8
    alpha: Factor = 16


def configure(settings: Settings, config: PretrainedConfig) -> UniPELTConfig:
    """Return the package's configuration; it adds the gates."""
    from adapters import LoRAConfig, SeqBnConfig, UniPELTConfig

    adapter = SeqBnConfig(reduction_factor=settings.reduction_factor)
    return UniPELTConfig(prefix.configure(settings, config), adapter, LoRAConfig(r=settings.rank, alpha=settings.alpha))


def objection(settings: Settings, config: PretrainedConfig, kind: str) -> str | None:
    """Its gates are means over a whole text, which is not there yet while it is generated."""
    if kind in ("causal-lm", "seq2seq"):
        return "its gates read the whole text, also tokens that are not generated yet"
    return prefix.objection(settings, config, kind)


METHOD = Method(
    title="UniPELT",
    paper="Mao et al. 2022, arXiv:2110.07577, sec. 3.2",
    library="adapters",
    settings=Settings,
    configure=configure,
    objection=objection,
)
