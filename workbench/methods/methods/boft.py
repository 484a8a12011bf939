"""BOFT: orthogonal fine-tuning with a butterfly of small blocks, and a scale for each row, s ⊙ (W R).

peft multiplies several butterfly factors on CUDA only; with the one factor used here R is block-diagonal, of exact
orthogonal blocks.
"""

from pydantic import Field

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, divides, on_matrices


class Settings(TargetedSettings):
    """``block_size``: rows of a block of R; it divides the columns of every matrix."""

    learning_rate: float = 5e-3
    block_size: int = Field(8, ge=2, le=65_536)


METHOD = on_matrices(
    "BOFT",
    "Liu et al. 2024, arXiv:2311.06243, sec. 4",
    Settings,
    configured_by("BOFTConfig", Settings, {"block_size": "boft_block_size"}),
    divides("block_size", "columns"),
)
