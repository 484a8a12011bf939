"""LoHa: the update is the element-wise product of two low-rank updates, (B₁ A₁) ⊙ (B₂ A₂), of rank up to rank²."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Size, Whole

if TYPE_CHECKING:
    from peft import LoHaConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """The update is scaled by ``alpha / rank``."""

    learning_rate: float = 5e-3
    rank: Size = 8
    alpha: Whole = 16


def configure(settings: Settings, config: PretrainedConfig) -> LoHaConfig:
    """Return the peft configuration."""
    from peft import LoHaConfig, TaskType

    return LoHaConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        alpha=settings.alpha,
        target_modules=settings.modules_of(config),
    )


METHOD = Method(
    title="LoHa",
    paper="Hyeon-Woo et al. 2022 (FedPara), arXiv:2108.06098, prop. 1; Yeh et al. 2024 (LyCORIS), arXiv:2309.14859",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure),
    fails_on=("nf4",),
)
