"""GraLoRA: a matrix is cut into k × k blocks, each with a LoRA of its own of rank rank / k."""

from typing import Self

from pydantic import model_validator

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, divides, on_matrices
from adapter_workbench.workbench.settings.bounds import Dropout, Size, Whole


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


METHOD = on_matrices(
    "GraLoRA",
    "Jung et al. 2025, arXiv:2505.20355",
    Settings,
    configured_by("GraloraConfig", Settings, {"dropout": "gralora_dropout"}),
    divides("gralora_k", "rows", "columns"),
    fails_on=("nf4", "int8"),
)
