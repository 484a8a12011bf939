"""HRA: weights are turned by a chain of reflections, W (I − 2 u₁u₁ᵀ) … (I − 2 uᵣuᵣᵀ), with learned unit vectors uᵢ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method

if TYPE_CHECKING:
    from peft import HRAConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``rank``: how many reflections, an even number: they begin in equal pairs, which leave W as it is.

    The learning rate is that of `boft`, not tuned.
    """

    learning_rate: float = 5e-3
    rank: int = Field(8, ge=2, le=4096, multiple_of=2)


def configure(settings: Settings, config: PretrainedConfig) -> HRAConfig:
    """Return the peft configuration."""
    from peft import HRAConfig, TaskType

    return HRAConfig(task_type=TaskType.FEATURE_EXTRACTION, r=settings.rank, target_modules=settings.modules_of(config))


METHOD = Method(
    title="HRA",
    paper="Yuan et al. 2024, arXiv:2405.17484",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure),
    fails_on=("nf4", "int8"),
)
