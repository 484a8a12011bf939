"""SHiRA: a few entries of each matrix, drawn at random, are trained; the update is sparse and of high rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Seed, Size

if TYPE_CHECKING:
    from peft import ShiraConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``rank``: as many entries are trained as a LoRA of this rank has; ``mask_seed`` draws which."""

    learning_rate: float = 5e-3
    rank: Size = 8
    mask_seed: Seed = 0


def configure(settings: Settings, config: PretrainedConfig) -> ShiraConfig:
    """Return the peft configuration."""
    from peft import ShiraConfig, TaskType

    return ShiraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        random_seed=settings.mask_seed,
        target_modules=settings.modules_of(config),
    )


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix is too small."""
    if settings.rank * (rows + columns) > rows * columns:
        return f"rank {settings.rank} asks for more entries than a matrix of {rows} × {columns} has"
    return None


METHOD = Method(
    title="SHiRA",
    paper="Bhardwaj et al. 2024, arXiv:2406.13175, sec. 3",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit),
    adds_to_weights=True,  # a sparse one
)
