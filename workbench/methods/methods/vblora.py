"""VB-LoRA: pieces of all LoRA factors are mixtures of the `topk` best vectors of one bank that all layers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings, needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from peft import VBLoRAConfig
    from transformers import PretrainedConfig


class Settings(TargetedSettings):
    """``num_vectors`` of ``vector_length`` are in the bank; the length divides rows and columns of every matrix.

    peft's length is 256, which does not divide MiniLM's 384. All logits are stored, so that training can go on. The
    learning rate is twice LoRA's, and not tuned.
    """

    learning_rate: float = 1e-2
    rank: Size = 4
    num_vectors: Size = 256
    vector_length: Size = 32
    topk: Size = 2

    @model_validator(mode="after")
    def _has_enough(self) -> Self:
        if self.topk > self.num_vectors:
            raise ValueError("topk may be at most num_vectors")
        return self


def configure(settings: Settings, config: PretrainedConfig) -> VBLoRAConfig:
    """Return the peft configuration; of T5, of which peft would adapt all matrices, those of queries and values."""
    from peft import TaskType, VBLoRAConfig

    usual = ["q", "v"] if config.model_type == "t5" else None
    return VBLoRAConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        num_vectors=settings.num_vectors,
        vector_length=settings.vector_length,
        topk=settings.topk,
        target_modules=settings.modules_of(config, "VBLORA") or usual,
    )


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix does not fall into pieces."""
    if rows % settings.vector_length or columns % settings.vector_length:
        return f"vector_length {settings.vector_length} does not divide a matrix of {rows} × {columns}"
    return None


METHOD = Method(
    title="VB-LoRA",
    paper="Li et al. 2024, arXiv:2405.15179",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, unfit),
)
