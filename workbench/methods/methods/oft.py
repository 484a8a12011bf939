"""OFT: weights are rotated, W R, by a block-diagonal orthogonal R; angles between neurons do not change.

R is the Cayley transform of what is learned, as a Neumann series.
"""

from pydantic import Field

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, divides, on_matrices


class Settings(TargetedSettings):
    """``block_size``: rows of a block of R; it divides the columns of every matrix."""

    learning_rate: float = 2e-3
    block_size: int = Field(32, ge=2, le=65_536)


METHOD = on_matrices(
    "OFT",
    "Qiu et al. 2023, arXiv:2306.07280; Qiu et al. 2025 (OFTv2), arXiv:2506.19847, eq. 2 and sec. 3.3",
    Settings,
    configured_by("OFTConfig", Settings, {"block_size": "oft_block_size"}),
    divides("block_size", "columns"),
    embeddings=True,
)
