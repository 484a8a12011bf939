"""DeLoRA: a LoRA of normalised rank-one parts, whose length is one learned number; it bounds how far W is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Size, Whole

if TYPE_CHECKING:
    from peft import DeloraConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``delora_lambda``: where the bound begins. The learning rate is LoRA's, not tuned."""

    learning_rate: float = 5e-3
    rank: Size = 8
    delora_lambda: Whole = 15


def configure(settings: Settings, config: PretrainedConfig) -> DeloraConfig:
    """Return the peft configuration."""
    from peft import DeloraConfig, TaskType

    return DeloraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        delora_lambda=settings.delora_lambda,
        target_modules=settings.modules_of(config),
    )


METHOD = Method(
    title="DeLoRA",
    paper="Bini et al. 2025, arXiv:2503.18225",
    library="peft",
    settings=Settings,
    reads_weights=True,  # the norms of their columns
    configure=configure,
    objection=needs_targets(configure),
    fails_on=("nf4", "int8"),
)
