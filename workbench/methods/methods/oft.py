"""OFT: weights are rotated, W R, by a block-diagonal orthogonal R; angles between neurons do not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method

if TYPE_CHECKING:
    from peft import OFTConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``block_size``: rows of a block of R; it divides the columns of every matrix."""

    learning_rate: float = 2e-3
    block_size: int = Field(32, ge=2, le=65_536)


def configure(settings: Settings, config: PretrainedConfig) -> OFTConfig:
    """Return the peft configuration; R is the Cayley transform of what is learned, as a Neumann series."""
    from peft import OFTConfig, TaskType

    return OFTConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        oft_block_size=settings.block_size,
        target_modules=settings.modules_of(config),
    )


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix cannot be rotated in blocks."""
    if columns % settings.block_size:
        return f"block_size {settings.block_size} does not divide a matrix of {columns} columns"
    return None


METHOD = Method(
    title="OFT",
    paper="Qiu et al. 2023, arXiv:2306.07280; Qiu et al. 2025 (OFTv2), arXiv:2506.19847, eq. 2 and sec. 3.3",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit, embeddings=True),
)
