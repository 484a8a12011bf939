"""RandLoRA: a sum of low-rank products of frozen random matrices, each scaled by two learned diagonals: full rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Size, Whole

if TYPE_CHECKING:
    from peft import RandLoraConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``rank``: of one product; a smaller one means more of them, and more parameters. ``alpha``: 20 times the rank.

    The random matrices are stored along, since a seed means other numbers to another torch. The learning rate is below
    LoRA's, because the scale is large; it is not tuned.
    """

    learning_rate: float = 1e-3
    rank: Size = 32
    alpha: Whole = 640


def configure(settings: Settings, config: PretrainedConfig) -> RandLoraConfig:
    """Return the peft configuration."""
    from peft import RandLoraConfig, TaskType

    return RandLoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        randlora_alpha=settings.alpha,
        target_modules=settings.modules_of(config),
    )


METHOD = Method(
    title="RandLoRA",
    paper="Albert et al. 2025, arXiv:2502.00987",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure),
)
