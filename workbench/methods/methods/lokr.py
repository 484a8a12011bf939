"""LoKr: the update is a Kronecker product, W₁ ⊗ W₂, as in KronA; a large W₂ is itself a low-rank product.

Both sides of a matrix are split as evenly as they divide.
"""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.settings.bounds import Size, Whole


class Settings(TargetedSettings):
    """``rank``: of W₂; from half its larger side on, W₂ is a full matrix and the method is KronA."""

    learning_rate: float = 5e-3
    rank: Size = 8
    alpha: Whole = 16


METHOD = on_matrices(
    "LoKr",
    "Yeh et al. 2024 (LyCORIS), arXiv:2309.14859; Edalati et al. 2022 (KronA), arXiv:2212.10650, eq. 3",
    Settings,
    configured_by("LoKrConfig", Settings),
    fails_on=("nf4",),
)
