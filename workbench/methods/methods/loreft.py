"""LoReFT: the states of a text's first and last tokens are edited in a low-rank subspace, h + Rᵀ(W h + b − R h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods._adapters import lacks_architecture
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.settings.bounds import Dropout, Size

if TYPE_CHECKING:
    from adapters import LoReftConfig
    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """``rank``: rows of R and W, which all ``prefix_positions`` + ``suffix_positions`` of a layer share."""

    learning_rate: float = 5e-3
    rank: Size = 4
    prefix_positions: Size = 3
    suffix_positions: int = Field(0, ge=0, le=4096)
    dropout: Dropout = 0.05


def configure(settings: Settings, config: PretrainedConfig) -> LoReftConfig:
    """Return the package's configuration."""
    from adapters import LoReftConfig

    return LoReftConfig(
        r=settings.rank,
        prefix_positions=settings.prefix_positions,
        suffix_positions=settings.suffix_positions,
        dropout=settings.dropout,
        tied_weights=True,
    )


def objection(settings: Settings, config: PretrainedConfig, kind: str) -> str | None:
    """Say so where "the last tokens" of a question cannot be told from an answer's."""
    if kind == "seq2seq" or (kind == "causal-lm" and settings.suffix_positions):
        return "the package counts its positions anew for every generated token"
    return lacks_architecture(settings, config, kind)


METHOD = Method(
    title="LoReFT",
    paper="Wu et al. 2024, arXiv:2404.03592, eq. 2",
    library="adapters",
    settings=Settings,
    configure=configure,
    objection=objection,
)
