"""LoHa: the update is the element-wise product of two low-rank updates, (B₁ A₁) ⊙ (B₂ A₂), of rank up to rank²."""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.settings.bounds import Size, Whole


class Settings(TargetedSettings):
    """The update is scaled by ``alpha / rank``."""

    learning_rate: float = 5e-3
    rank: Size = 8
    alpha: Whole = 16


METHOD = on_matrices(
    "LoHa",
    "Hyeon-Woo et al. 2022 (FedPara), arXiv:2108.06098, prop. 1; Yeh et al. 2024 (LyCORIS), arXiv:2309.14859",
    Settings,
    configured_by("LoHaConfig", Settings),
    fails_on=("nf4",),
)
