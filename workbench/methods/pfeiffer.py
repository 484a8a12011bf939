"""Pfeiffer adapter: one bottleneck after the feed-forward block of each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from workbench.contracts import Method
from workbench.settings import MethodSettings

if TYPE_CHECKING:
    from adapters import BnConfig
    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """``reduction_factor``: hidden size ÷ bottleneck size."""

    learning_rate: float = 5e-3
    reduction_factor: float = Field(16, gt=0)


def configure(settings: Settings, config: PretrainedConfig) -> BnConfig:
    """Return the ``seq_bn`` configuration of adapters."""
    from adapters import SeqBnConfig

    return SeqBnConfig(reduction_factor=settings.reduction_factor)


METHOD = Method(
    title="Pfeiffer adapter",
    paper="Pfeiffer et al. 2021, arXiv:2005.00247, fig. 3",
    library="adapters",
    settings=Settings,
    configure=configure,
)
