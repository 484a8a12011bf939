"""RandLoRA: a sum of low-rank products of frozen random matrices, each scaled by two learned diagonals: full rank."""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.settings.bounds import Size, Whole


class Settings(TargetedSettings):
    """``rank``: of one product; a smaller one means more of them, and more parameters. ``alpha``: 20 times the rank.

    The random matrices are stored along, since a seed means other numbers to another torch. The learning rate is below
    LoRA's, because the scale is large; it is not tuned.
    """

    learning_rate: float = 1e-3
    rank: Size = 32
    alpha: Whole = 640


METHOD = on_matrices(
    "RandLoRA",
    "Albert et al. 2025, arXiv:2502.00987",
    Settings,
    configured_by("RandLoraConfig", Settings, {"alpha": "randlora_alpha"}),
)
