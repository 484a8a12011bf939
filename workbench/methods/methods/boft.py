"""BOFT: orthogonal fine-tuning with a butterfly of small blocks, and a scale for each row, s ⊙ (W R).

peft multiplies several butterfly factors on CUDA only; with the one factor used here R is block-diagonal, of exact
orthogonal blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods.oft import unfit

if TYPE_CHECKING:
    from peft import BOFTConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``block_size``: rows of a block of R; it divides the columns of every matrix."""

    learning_rate: float = 5e-3
    block_size: int = Field(8, ge=2, le=65_536)


def configure(settings: Settings, config: PretrainedConfig) -> BOFTConfig:
    """Return the peft configuration."""
    from peft import BOFTConfig, TaskType

    return BOFTConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        boft_block_size=settings.block_size,
        target_modules=settings.modules_of(config),
    )


METHOD = Method(
    title="BOFT",
    paper="Liu et al. 2024, arXiv:2311.06243, sec. 4",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit),
)
