"""VeRA: all layers share one pair of frozen random matrices; each layer learns two vectors, Λ_b B Λ_d A."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from peft import VeraConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``rank``: of the random matrices; they are stored along, since a seed means other numbers to another torch."""

    learning_rate: float = 2e-2
    rank: Size = 256


def configure(settings: Settings, config: PretrainedConfig) -> VeraConfig:
    """Return the peft configuration."""
    from peft import TaskType, VeraConfig

    return VeraConfig(
        task_type=TaskType.FEATURE_EXTRACTION, r=settings.rank, target_modules=settings.modules_of(config)
    )


METHOD = Method(
    title="VeRA",
    paper="Kopiczko et al. 2024, arXiv:2310.11454, eq. 2",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure),
)
