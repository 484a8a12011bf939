"""LoRA: a low-rank update beside chosen weight matrices, W + (alpha / rank) B A."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from workbench.contracts import Method
from workbench.settings import MethodSettings

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """``targets``: names of the matrices; by default the attention projections that peft knows for the architecture."""

    learning_rate: float = 5e-3
    rank: int = Field(8, ge=1)
    alpha: float = Field(16, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] | str | None = None


def configure(settings: Settings, config: PretrainedConfig) -> LoraConfig:
    """Return the peft configuration."""
    from peft import LoraConfig, TaskType

    targets = settings.targets if isinstance(settings.targets, str | None) else list(settings.targets)
    return LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
    )


METHOD = Method(
    title="LoRA",
    paper="Hu et al. 2021, arXiv:2106.09685, eq. 3",
    library="peft",
    settings=Settings,
    configure=configure,
)
