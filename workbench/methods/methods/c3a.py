"""C3A: the update is made of circulant blocks, each a circular convolution with one learned kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from peft import C3AConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``block_size``: of a block, of which one row is learned; it divides rows and columns of every matrix.

    peft's own is 256, which does not divide MiniLM's 384; its kernels begin at random, and at 0 here, so that the model
    begins as the pretrained one. The learning rate is ten times LoRA's, because peft
    divides what the kernels give by the width; it is not tuned.
    """

    learning_rate: float = 5e-2
    block_size: Size = 32


def configure(settings: Settings, config: PretrainedConfig) -> C3AConfig:
    """Return the peft configuration."""
    from peft import C3AConfig, TaskType

    return C3AConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        block_size=settings.block_size,
        init_weights=True,
        target_modules=settings.modules_of(config),
    )


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix does not fall into blocks."""
    if rows % settings.block_size or columns % settings.block_size:
        return f"block_size {settings.block_size} does not divide a matrix of {rows} × {columns}"
    return None


METHOD = Method(
    title="C3A",
    paper="Chen et al. 2024, arXiv:2407.19342",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit),
    fails_on=("nf4", "int8"),
)
