"""GraLoRA: a matrix is cut into k × k blocks, each with a LoRA of its own of rank rank / k."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Dropout, Size, Whole

if TYPE_CHECKING:
    from peft import GraloraConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """As many parameters as a LoRA of ``rank`` has; the update is scaled by ``alpha / rank``.

    ``gralora_k`` divides the rank, and rows and columns of every matrix. The learning rate is below LoRA's, because
    peft's rank is four times as high; it is not tuned.
    """

    learning_rate: float = 2e-3
    rank: Size = 32
    alpha: Whole = 64
    gralora_k: Size = 2
    dropout: Dropout = 0.0

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.rank % self.gralora_k:
            raise ValueError("gralora_k has to divide rank")
        return self


def configure(settings: Settings, config: PretrainedConfig) -> GraloraConfig:
    """Return the peft configuration."""
    from peft import GraloraConfig, TaskType

    return GraloraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        alpha=settings.alpha,
        gralora_k=settings.gralora_k,
        gralora_dropout=settings.dropout,
        target_modules=settings.modules_of(config),
    )


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix does not fall into blocks."""
    if rows % settings.gralora_k or columns % settings.gralora_k:
        return f"gralora_k {settings.gralora_k} does not divide a matrix of {rows} × {columns}"
    return None


METHOD = Method(
    title="GraLoRA",
    paper="Jung et al. 2025, arXiv:2505.20355",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit),
    fails_on=("nf4", "int8"),
)
