"""Houlsby adapter: two bottlenecks in each layer, after attention and after the feed-forward block."""

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
    """Return the ``double_seq_bn`` configuration of adapters."""
    from adapters import DoubleSeqBnConfig

    return DoubleSeqBnConfig(reduction_factor=settings.reduction_factor)


METHOD = Method(
    title="Houlsby adapter",
    paper="Houlsby et al. 2019, arXiv:1902.00751, fig. 2",
    library="adapters",
    settings=Settings,
    configure=configure,
)
