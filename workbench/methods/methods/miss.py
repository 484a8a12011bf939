"""MiSS: every run of `rank` columns of a matrix gets the same update, D repeated along them; only D is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from peft import MissConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``rank``: columns in a run; D is (out, rank). The learning rate is LoRA's, not tuned; peft's rank is 64."""

    learning_rate: float = 5e-3
    rank: Size = 16


def configure(settings: Settings, config: PretrainedConfig) -> MissConfig:
    """Return the peft configuration."""
    from peft import MissConfig, TaskType

    return MissConfig(
        task_type=TaskType.FEATURE_EXTRACTION, r=settings.rank, target_modules=settings.modules_of(config)
    )


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix has too few columns."""
    if settings.rank > columns:
        return f"rank {settings.rank} is more than the {columns} columns of a matrix"
    return None


METHOD = Method(
    title="MiSS",
    paper="Kang and Yin 2024 (first called Bone), arXiv:2409.15371",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit),
)
