"""VB-LoRA: pieces of all LoRA factors are mixtures of the `topk` best vectors of one bank that all layers share."""

from typing import Self

from pydantic import model_validator

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, divides, on_matrices
from adapter_workbench.workbench.settings.bounds import Size


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


METHOD = on_matrices(
    "VB-LoRA",
    "Li et al. 2024, arXiv:2405.15179",
    Settings,
    # of T5, of which peft would adapt all matrices, those of queries and values
    configured_by("VBLoRAConfig", Settings, tuner="VBLORA", usual={"t5": ["q", "v"]}),
    divides("vector_length", "rows", "columns"),
)
