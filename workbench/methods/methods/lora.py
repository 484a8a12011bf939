"""LoRA: a low-rank update beside chosen weight matrices, W + (alpha / rank) B A."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Dropout, Factor, Size

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """The update is scaled by ``alpha / rank``; without ``targets`` it is that of attention projections."""

    learning_rate: float = 5e-3
    rank: Size = 8
    alpha: Factor = 16
    dropout: Dropout = 0.0


def configure(settings: Settings, config: PretrainedConfig, **variant: Any) -> LoraConfig:
    """Return the peft configuration; ``variant`` are the switches of a method that differs by them alone."""
    from peft import LoraConfig, TaskType

    return LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.modules_of(config),
        **variant,
    )


METHOD = Method(
    title="LoRA",
    paper="Hu et al. 2021, arXiv:2106.09685, eq. 3",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, embeddings=True),
)
